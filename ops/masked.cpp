#include <coppice/ops/masked.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/rearrange.h>
#include <coppice/ops/rows.h>

namespace coppice {
namespace {

Shape check_masked(const char* op, const Tensor& input, const Tensor& mask) {
  check_dense_cpu(op, input);
  check_dense_cpu(op, mask);
  COPPICE_CHECK(mask.dtype() == kBool, "[", op, "] expects a bool mask; got ", mask.dtype(), " ", mask.shape(), " for ",
                input.shape(), "; compare with ne(mask, 0)");
  return broadcast_shapes(input.shape(), mask.shape(), op);
}

}  // namespace

Tensor masked_fill(const Tensor& input, const Tensor& mask, Scalar value) {
  Tensor filling = Tensor::full({}, value.as<double>(), {.dtype = input.dtype()});
  if (value.is_integral() && input.dtype() == kInt64) filling = Tensor::of({value.as<std::int64_t>()}, Shape{});
  return masked_fill(input, mask, filling);
}

Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value) {
  check_masked("masked_fill", input, mask);
  COPPICE_CHECK(value.dim() == 0, "[masked_fill] expects a value of no dimensions; got ", value.shape(), " for ",
                input.shape());
  return where(mask, value.to(input.dtype()), input);
}

Tensor masked_select(const Tensor& input, const Tensor& mask) {
  const Shape shape = check_masked("masked_select", input, mask);
  const Tensor places = places_where(mask.expand(shape));
  return take_rows("masked_select", input.expand(shape), places, 1, places.shape());
}

}  // namespace coppice
