#include <coppice/ops/sort.h>

#include <algorithm>
#include <limits>
#include <utility>

#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/sort.h>
#include <coppice/ops/gather.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

int check_sort(const char* op, const Tensor& input, int dim) {
  check_dense_cpu(op, input);
  const int along = normalize_dim(dim, input.dim(), op);
  COPPICE_CHECK(input.dim() == 0 || input.size(along) <= std::numeric_limits<std::uint32_t>::max(), "[", op,
                "] sorts fewer than 2^32 elements at once; got dimension ", along, " of ", input.shape());
  return along;
}

/// The first `k` positions along `dim` in sorted order; all of them with a full sort.
Tensor first_of_order(const char* op, const Tensor& input, std::int64_t k, int dim, bool descending) {
  if (input.dim() == 0) return Tensor::zeros({}, {.dtype = kInt64});
  const Tensor rows = detail::raw_contiguous(unblocked(input).detach().transpose(dim, -1));
  const std::int64_t size = rows.size(-1);
  const cpu::SortGeometry geometry{size > 0 ? rows.numel() / size : 0, size};
  Shape shape = rows.shape();
  shape[-1] = k;
  const Tensor order = Tensor::empty(shape, {.dtype = kInt64});
  dispatch_dtype(rows.dtype(), op, [&]<class T>() {
    // A heap of a large part of a row is slower than its bytes.
    if (k * 8 >= size) {
      const Tensor whole = k == size ? order : Tensor::empty(rows.shape(), {.dtype = kInt64});
      cpu::argsort(geometry, descending, rows.data<T>(), whole.data<std::int64_t>());
      if (k < size) detail::copy_into(order, whole.narrow(-1, 0, k));
    } else {
      cpu::top_order(geometry, k, descending, rows.data<T>(), order.data<std::int64_t>());
    }
  });
  return detail::raw_contiguous(order.transpose(dim, -1));
}

/// NaN as greatest.
template <class T>
bool precedes(T a, T b) {
  return a < b || (b != b && a == a);
}

}  // namespace

Ordered sort(const Tensor& input, int dim, bool descending) {
  const Tensor order = argsort(input, dim, descending);
  return {gather(input, dim, order), order};
}

Tensor argsort(const Tensor& input, int dim, bool descending) {
  const int along = check_sort("sort", input, dim);
  return first_of_order("sort", input, input.dim() == 0 ? 1 : input.size(along), along, descending);
}

Ordered topk(const Tensor& input, std::int64_t k, int dim, bool largest) {
  const int along = check_sort("topk", input, dim);
  const std::int64_t size = input.dim() == 0 ? 1 : input.size(along);
  COPPICE_CHECK(k >= 0 && k <= size, "[topk] k must lie in [0, ", size, "]; got ", k, " for dimension ", along, " of ",
                input.shape());
  const Tensor order = first_of_order("topk", input, k, along, largest);
  return {gather(input, along, order), order};
}

Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& values, bool right) {
  check_dense_cpu("searchsorted", sorted_sequence);
  check_dense_cpu("searchsorted", values);
  const Shape& shape = sorted_sequence.shape();
  bool fits = shape.rank() == 1 || (shape.rank() > 1 && shape.rank() == values.dim());
  for (int d = 0; fits && d + 1 < shape.rank(); ++d) fits = values.size(d) == shape[d];
  COPPICE_CHECK(fits && sorted_sequence.dtype() == values.dtype(),
                "[searchsorted] expects values of the sequence's dtype and leading sizes; got sequence ",
                sorted_sequence.dtype(), " ", shape, ", values ", values.dtype(), " ", values.shape());
  const Tensor sequence = detail::raw_contiguous(sorted_sequence);
  const Tensor wanted = detail::raw_contiguous(values);
  const Tensor output = Tensor::empty(values.shape(), {.dtype = kInt64});
  const std::int64_t size = shape.back();
  const std::int64_t per_row = shape.rank() == 1 ? values.numel() : values.size(-1);
  dispatch_dtype(values.dtype(), "searchsorted", [&]<class T>() {
    const T* first = sequence.data<T>();
    const T* value = wanted.data<T>();
    std::int64_t* place = output.data<std::int64_t>();
    parallel_for(0, values.numel(), 1024, [&](std::int64_t begin, std::int64_t end) {
      for (std::int64_t i = begin; i < end; ++i) {
        const T* row = first + i / per_row * size;
        place[i] = (right ? std::upper_bound(row, row + size, value[i], precedes<T>)
                          : std::lower_bound(row, row + size, value[i], precedes<T>)) -
                   row;
      }
    });
  });
  return output;
}

}  // namespace coppice
