#include <coppice/ops/logsumexp.h>

#include <limits>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/reduce_dims.h>

namespace coppice {

Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  const detail::Reduced reduced = detail::check_reduce("logsumexp", input, dims);
  if (!is_floating(input.dtype())) return logsumexp(input.to(kFloat32), dims, keepdim);
  const Shape result = detail::reduced_shape(input.shape(), reduced, keepdim);
  if (detail::count_of(input.shape(), reduced) == 0) {
    return Tensor::full(result, -kInfinity, {.dtype = input.dtype()});
  }
  const Tensor x = input.detach();
  const Tensor largest = amax(x, dims, true);
  const Tensor offset = where(isfinite(largest), largest, 0);
  const Tensor output = log(sum(exp(x - offset), dims, keepdim)) + offset.reshape(result);
  const Shape kept = detail::reduced_shape(input.shape(), reduced, true);
  return record("logsumexp", output, {input}, {input, output}, [kept](const Saved& saved, const Tensor& d_output) {
    const Tensor y = saved[1].reshape(kept);
    return d_output.reshape(kept) * exp(saved[0] - where(eq(y, -kInfinity), 0, y));
  });
}

}  // namespace coppice
