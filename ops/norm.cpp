#include <coppice/ops/norm.h>

#include <cmath>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/exponential.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/reduce_dims.h>

namespace coppice {
namespace {

/// d / y, and 0 where y is.
Tensor over_norm(const Tensor& d, const Tensor& y) {
  const Tensor none = eq(y, 0);
  return where(none, 0, d / where(none, 1, y));
}

/// sign(x) · |x|^(p − 1), and 0 where x is.
Tensor signed_power(const Tensor& x, double p) {
  const Tensor none = eq(x, 0);
  return where(none, 0, sign(x) * pow(abs(where(none, 1, x)), p - 1.0));
}

Tensor euclidean(const Tensor& input, const Dims& dims, bool keepdim, const Shape& kept) {
  const Tensor output = sqrt(sum(square(input.detach()), dims, keepdim));
  return record("norm", output, {input}, {input, output}, [kept](const Saved& saved, const Tensor& d_output) {
    return saved[0] * over_norm(d_output, saved[1]).reshape(kept);
  });
}

Tensor of_power(const Tensor& input, double p, const Dims& dims, bool keepdim, const Shape& kept) {
  const Tensor output = pow(sum(pow(abs(input.detach()), p), dims, keepdim), 1.0 / p);
  return record("norm", output, {input}, {input, output}, [p, kept](const Saved& saved, const Tensor& d_output) {
    const Tensor none = eq(saved[1], 0);
    const Tensor scale = where(none, 0, d_output * pow(where(none, 1, saved[1]), 1.0 - p));
    return signed_power(saved[0], p) * scale.reshape(kept);
  });
}

}  // namespace

Tensor norm(const Tensor& input, double p, const Dims& dims, bool keepdim) {
  const detail::Reduced reduced = detail::check_reduce("norm", input, dims);
  COPPICE_CHECK(is_floating(input.dtype()), "[norm] expects a floating dtype; got ", input.dtype(), " ", input.shape(),
                "; cast with to(kFloat32)");
  COPPICE_CHECK(!std::isnan(p), "[norm] expects a number as p; got NaN for ", input.shape());
  if (std::isinf(p)) return p > 0.0 ? amax(abs(input), dims, keepdim) : amin(abs(input), dims, keepdim);
  if (p == 0.0) return count_nonzero(input, dims, keepdim).to(input.dtype());
  if (p == 1.0) return sum(abs(input), dims, keepdim);
  const Shape kept = detail::reduced_shape(input.shape(), reduced, true);
  return p == 2.0 ? euclidean(input, dims, keepdim, kept) : of_power(input, p, dims, keepdim, kept);
}

}  // namespace coppice
