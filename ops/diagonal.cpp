#include <coppice/ops/diagonal.h>

#include <algorithm>
#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/masked.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

struct DiagonalPlace {
  int dim1, dim2;
  std::int64_t offset;
};

Tensor raw_diagonal(const Tensor& input, const DiagonalPlace& place) {
  const std::int64_t row = std::max<std::int64_t>(0, -place.offset);
  const std::int64_t column = std::max<std::int64_t>(0, place.offset);
  const Strides& from = input.strides();
  Dims sizes;
  Strides strides;
  for (int d = 0; d < input.dim(); ++d) {
    if (d == place.dim1 || d == place.dim2) continue;
    sizes.push_back(input.size(d));
    strides.push_back(from[d]);
  }
  const std::int64_t length = std::min(input.size(place.dim1) - row, input.size(place.dim2) - column);
  sizes.push_back(std::max<std::int64_t>(0, length));
  strides.push_back(from[place.dim1] + from[place.dim2]);
  const std::int64_t start = length > 0 ? row * from[place.dim1] + column * from[place.dim2] : 0;
  return detail::make_view(input.impl()->storage, Shape(sizes), strides, input.storage_offset() + start, input.dtype());
}

Tensor take_diagonal(const Tensor& input, const DiagonalPlace& place);

/// Zeros of `shape` with `values` on the diagonal: the gradient of take_diagonal.
Tensor put_diagonal(const char* op, const Tensor& values, const Shape& shape, const DiagonalPlace& place) {
  Tensor output = Tensor::zeros(shape, {.dtype = values.dtype()});
  detail::copy_into(raw_diagonal(output, place), unblocked(values));
  return record(op, std::move(output), {values}, {},
                [place](const Saved&, const Tensor& d_output) { return take_diagonal(d_output, place); });
}

Tensor take_diagonal(const Tensor& input, const DiagonalPlace& place) {
  return record("diagonal", raw_diagonal(unblocked(input), place), {input}, {},
                [shape = input.shape(), place](const Saved&, const Tensor& d_output) {
                  return put_diagonal("diagonal", d_output, shape, place);
                });
}

/// column − row of the elements of a matrix: int64 (rows, columns).
Tensor offsets_of(const char* op, const Tensor& input) {
  check_dense_cpu(op, input);
  COPPICE_CHECK(input.dim() >= 2, "[", op, "] expects at least two dimensions; got ", input.shape());
  return Tensor::arange(input.size(-1)) - Tensor::arange(input.size(-2)).unsqueeze(1);
}

}  // namespace

Tensor diagonal(const Tensor& input, std::int64_t offset, int dim1, int dim2) {
  check_dense_cpu("diagonal", input);
  COPPICE_CHECK(input.dim() >= 2, "[diagonal] expects at least two dimensions; got ", input.shape());
  const int first = normalize_dim(dim1, input.dim(), "diagonal");
  const int second = normalize_dim(dim2, input.dim(), "diagonal");
  COPPICE_CHECK(first != second, "[diagonal] expects two dimensions; got ", dim1, " and ", dim2, " for ",
                input.shape());
  return take_diagonal(input, {first, second, offset});
}

Tensor diag(const Tensor& input, std::int64_t offset) {
  check_dense_cpu("diag", input);
  COPPICE_CHECK(input.dim() == 1 || input.dim() == 2, "[diag] expects a vector or a matrix; got ", input.shape());
  if (input.dim() == 2) return diagonal(input, offset).clone();
  const std::int64_t size = input.size(0) + std::abs(offset);
  return put_diagonal("diag", input, {size, size}, {0, 1, offset});
}

Tensor tril(const Tensor& input, std::int64_t diagonal) {
  return masked_fill(input, offsets_of("tril", input) > diagonal, 0);
}

Tensor triu(const Tensor& input, std::int64_t diagonal) {
  return masked_fill(input, offsets_of("triu", input) < diagonal, 0);
}

}  // namespace coppice
