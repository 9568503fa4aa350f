#include <coppice/ops/moments.h>

#include <algorithm>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/exponential.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/reduce_dims.h>

namespace coppice {
namespace {

/// How many elements are reduced, less the correction.
double check_var(const char* op, const Tensor& input, const Dims& dims, double correction) {
  const detail::Reduced reduced = detail::check_reduce(op, input, dims);
  COPPICE_CHECK(is_floating(input.dtype()), "[", op, "] expects a floating dtype; got ", input.dtype(), " ",
                input.shape(), "; cast with to(kFloat32)");
  return std::max(0.0, static_cast<double>(detail::count_of(input.shape(), reduced)) - correction);
}

Tensor var_of(const char* op, const Tensor& input, const Dims& dims, const VarOptions& options) {
  const double divisor = check_var(op, input, dims, options.correction);
  const Tensor x = input.detach();
  const Tensor output = sum(square(x - mean(x, dims, true)), dims, options.keepdim) / divisor;
  const Shape kept = detail::reduced_shape(input.shape(), detail::check_reduce(op, input, dims), true);
  return record(op, output, {input}, {input}, [dims, kept, divisor](const Saved& saved, const Tensor& d_output) {
    return (saved[0] - mean(saved[0], dims, true)) * (d_output.reshape(kept) * (2.0 / divisor));
  });
}

}  // namespace

Tensor var(const Tensor& input, const Dims& dims, const VarOptions& options) {
  return var_of("var", input, dims, options);
}

Tensor std(const Tensor& input, const Dims& dims, const VarOptions& options) {
  const Tensor variance = var_of("std", input, dims, options);
  const Tensor output = sqrt(variance.detach());
  return record("std", output, {variance}, {output}, [](const Saved& saved, const Tensor& d_output) {
    const Tensor none = eq(saved[0], 0);
    return where(none, 0, d_output * 0.5 / where(none, 1, saved[0]));
  });
}

VarMean var_mean(const Tensor& input, const Dims& dims, const VarOptions& options) {
  return {var_of("var_mean", input, dims, options), mean(input, dims, options.keepdim)};
}

}  // namespace coppice
