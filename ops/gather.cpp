#include <coppice/ops/gather.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/rearrange.h>
#include <coppice/ops/rows.h>

namespace coppice {
namespace {

/// The dimension, and the index as read_index gives it, of at least one dimension.
struct Along {
  int dim;
  Tensor index;
};

Along check_gather(const char* op, const Tensor& input, int dim, const Tensor& index) {
  check_dense_cpu(op, input);
  const Tensor read = read_index(op, index);
  const int along = normalize_dim(dim, input.dim(), op);
  const int rank = std::max(1, input.dim());
  bool fits = std::max(1, index.dim()) == rank;
  for (int d = 0; fits && d < input.dim(); ++d) fits = d == along || index.dim() == 0 || index.size(d) <= input.size(d);
  COPPICE_CHECK(fits || index.numel() == 0, "[", op, "] index sizes must be at most the input's but along dimension ",
                along, "; got input ", input.shape(), ", index ", index.shape());
  check_index(op, read, 0, along, input.shape());
  return {along, read};
}

/// For every element of the index the number of the input element it names, in row-major order.
Tensor places_of(const Along& along, const Shape& shape) {
  const Tensor places = Tensor::empty({along.index.numel()}, {.dtype = kInt64});
  const std::int64_t* index = along.index.data<std::int64_t>();
  std::int64_t* place = places.data<std::int64_t>();
  if (shape.empty() || along.index.dim() == 0) {
    std::copy_n(index, along.index.numel(), place);
    return places;
  }
  const Strides strides = contiguous_strides(shape);
  const Shape& sizes = along.index.shape();
  const int last = sizes.rank() - 1;
  const std::int64_t inner = sizes[last];
  const std::int64_t rows = inner == 0 ? 0 : sizes.numel() / inner;
  const std::int64_t stride = strides[along.dim];
  parallel_for(0, rows, std::max<std::int64_t>(1, 32768 / std::max<std::int64_t>(1, inner)),
               [&](std::int64_t begin, std::int64_t end) {
                 for (std::int64_t row = begin; row < end; ++row) {
                   std::int64_t base = 0;
                   std::int64_t rest = row;
                   for (int d = last - 1; d >= 0; --d) {
                     if (d != along.dim) base += rest % sizes[d] * strides[d];
                     rest /= sizes[d];
                   }
                   const std::int64_t* named = index + row * inner;
                   std::int64_t* to = place + row * inner;
                   if (along.dim == last) {
                     for (std::int64_t i = 0; i < inner; ++i) to[i] = base + named[i];
                   } else {
                     for (std::int64_t i = 0; i < inner; ++i) to[i] = base + i + named[i] * stride;
                   }
                 }
               });
  return places;
}

/// The part of `source` that the index reads, as one value per element of the index.
Tensor check_source(const char* op, const Tensor& input, const Tensor& index, const Tensor& source) {
  check_dense_cpu(op, source);
  COPPICE_CHECK(source.dtype() == input.dtype(), "[", op, "] expects a source of the input's dtype; got input ",
                input.dtype(), " ", input.shape(), ", source ", source.dtype(), " ", source.shape());
  bool fits = source.dim() == index.dim();
  for (int d = 0; fits && d < index.dim(); ++d) fits = index.size(d) <= source.size(d);
  COPPICE_CHECK(fits || index.numel() == 0, "[", op, "] expects a source of at least the index' sizes; got index ",
                index.shape(), ", source ", source.shape());
  Tensor values = source;
  for (int d = 0; fits && d < index.dim(); ++d) {
    if (source.size(d) != index.size(d)) values = values.narrow(d, 0, index.size(d));
  }
  return fits ? values : source.reshape({-1}).narrow(0, 0, 0);
}

}  // namespace

Tensor gather(const Tensor& input, int dim, const Tensor& index) {
  const Along along = check_gather("gather", input, dim, index);
  return take_rows("gather", input, places_of(along, input.shape()), 1, index.shape());
}

Tensor scatter(const Tensor& input, int dim, const Tensor& index, const Tensor& source) {
  const Along along = check_gather("scatter", input, dim, index);
  const Tensor values = check_source("scatter", input, index, source);
  return put_rows("scatter", input, places_of(along, input.shape()), values, 1);
}

Tensor scatter(const Tensor& input, int dim, const Tensor& index, Scalar value) {
  const Tensor filled = Tensor::full({}, value.as<double>(), {.dtype = input.dtype()});
  return scatter(input, dim, index, filled.expand(index.shape()));
}

Tensor scatter_add(const Tensor& input, int dim, const Tensor& index, const Tensor& source) {
  const Along along = check_gather("scatter_add", input, dim, index);
  const Tensor values = check_source("scatter_add", input, index, source);
  return add_rows("scatter_add", input, places_of(along, input.shape()), values, 1);
}

Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int> dim) {
  if (!dim) return gather(input.reshape({-1}), 0, indices.reshape({-1}));
  COPPICE_CHECK(input.dim() == indices.dim(), "[take_along_dim] expects as many dimensions of both; got input ",
                input.shape(), ", indices ", indices.shape());
  const int along = normalize_dim(*dim, input.dim(), "take_along_dim");
  if (input.dim() == 0) return gather(input, 0, indices);
  Shape one = input.shape();
  Shape other = indices.shape();
  one[along] = other[along] = 1;
  Shape common = broadcast_shapes(one, other, "take_along_dim");
  one = other = common;
  one[along] = input.size(along);
  other[along] = indices.size(along);
  return gather(input.expand(one), along, indices.expand(other));
}

}  // namespace coppice
