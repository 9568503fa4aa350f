#include <coppice/ops/index.h>

#include <utility>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/rearrange.h>
#include <coppice/ops/rows.h>

namespace coppice {
namespace {

/// An advanced index of a shape: `input.permute(order)` has the indexed dimensions first, its rows are what is moved.
struct Indexed {
  Dims order;
  Dims inverse;
  int indexed = 0;       ///< how many dimensions are indexed
  int first = 0;         ///< where the broadcast dimensions belong
  Shape broadcast;       ///< of the index tensors
  Shape permuted;        ///< of the input, indexed dimensions first
  std::int64_t run = 1;  ///< elements of the dimensions not indexed
  Tensor rows;           ///< one per element of the broadcast shape

  /// The shape of the values, broadcast dimensions first.
  Shape values_shape() const {
    Dims sizes = broadcast;
    for (int d = indexed; d < permuted.rank(); ++d) sizes.push_back(permuted[d]);
    return Shape(sizes);
  }
};

/// Bool tensors replaced by the coordinates of what they name; one entry per dimension, undefined for a full slice.
std::vector<Tensor> expanded(const char* op, const Shape& shape, const std::vector<Tensor>& indices) {
  std::vector<Tensor> result;
  for (const Tensor& entry : indices) {
    if (!entry.defined() || entry.dtype() != kBool) {
      result.push_back(entry.defined() ? read_index(op, entry) : entry);
      continue;
    }
    const int at = static_cast<int>(result.size());
    bool fits = at + entry.dim() <= shape.rank();
    for (int d = 0; fits && d < entry.dim(); ++d) fits = entry.size(d) == shape[at + d];
    COPPICE_CHECK(fits && entry.dim() > 0, "[", op,
                  "] a bool index must have the sizes of the dimensions it stands for; got ", entry.shape(),
                  " at dimension ", at, " of ", shape);
    const Tensor places = nonzero(entry);
    for (int d = 0; d < entry.dim(); ++d) result.push_back(detail::raw_contiguous(places.select(1, d)));
  }
  COPPICE_CHECK(static_cast<int>(result.size()) <= shape.rank(), "[", op,
                "] expects at most one index per dimension; got ", result.size(), " for ", shape);
  result.resize(static_cast<std::size_t>(shape.rank()));
  return result;
}

Indexed check_indices(const char* op, const Tensor& input, const std::vector<Tensor>& indices) {
  check_dense_cpu(op, input);
  const Shape& shape = input.shape();
  const std::vector<Tensor> entries = expanded(op, shape, indices);
  Indexed result;
  int last = -1;
  bool neighbours = true;
  for (int d = 0; d < shape.rank(); ++d) {
    const Tensor& entry = entries[static_cast<std::size_t>(d)];
    if (!entry.defined()) continue;
    if (last < 0) result.first = d;
    neighbours = neighbours && (last < 0 || last == d - 1);
    last = d;
    result.broadcast = result.indexed == 0 ? entry.shape() : broadcast_shapes(result.broadcast, entry.shape(), op);
    result.order.push_back(d);
    ++result.indexed;
  }
  COPPICE_CHECK(result.indexed > 0, "[", op, "] expects at least one index; got none for ", shape);
  if (!neighbours) result.first = 0;
  for (int d = 0; d < shape.rank(); ++d) {
    if (!entries[static_cast<std::size_t>(d)].defined()) result.order.push_back(d);
  }
  result.inverse = result.order;
  Dims permuted;
  for (int i = 0; i < shape.rank(); ++i) {
    result.inverse[static_cast<int>(result.order[i])] = i;
    permuted.push_back(shape[static_cast<int>(result.order[i])]);
    if (i >= result.indexed) result.run *= permuted[i];
  }
  result.permuted = Shape(permuted);

  result.rows = Tensor::zeros({result.broadcast.numel()}, {.dtype = kInt64});
  std::int64_t* row = result.rows.data<std::int64_t>();
  for (int i = 0; i < result.indexed; ++i) {
    const int dim = static_cast<int>(result.order[i]);
    const Tensor& entry = entries[static_cast<std::size_t>(dim)];
    const std::int64_t size = shape[dim];
    check_index(op, entry, -size, dim, shape);
    const Tensor whole = detail::raw_contiguous(entry.expand(result.broadcast));
    const std::int64_t* value = whole.data<std::int64_t>();
    for (std::int64_t k = 0; k < whole.numel(); ++k)
      row[k] = row[k] * size + (value[k] < 0 ? value[k] + size : value[k]);
  }
  return result;
}

/// The order that moves the broadcast dimensions between the first `first` of the others and the rest.
Dims placed_order(const Indexed& indexed) {
  const int width = indexed.broadcast.rank();
  Dims order;
  for (int i = 0; i < indexed.first; ++i) order.push_back(width + i);
  for (int i = 0; i < width; ++i) order.push_back(i);
  for (int i = indexed.first; i < indexed.permuted.rank() - indexed.indexed; ++i) order.push_back(width + i);
  return order;
}

Dims inverse_of(const Dims& order) {
  Dims inverse = order;
  for (int i = 0; i < order.rank(); ++i) inverse[static_cast<int>(order[i])] = i;
  return inverse;
}

}  // namespace

Tensor index_select(const Tensor& input, int dim, const Tensor& index) {
  check_dense_cpu("index_select", input);
  const Tensor read = read_index("index_select", index);
  COPPICE_CHECK(read.dim() <= 1, "[index_select] expects an index of one dimension; got ", index.shape(), " for ",
                input.shape());
  const int along = normalize_dim(dim, input.dim(), "index_select");
  check_index("index_select", read, 0, along, input.shape());
  if (input.dim() == 0) return index_select(input.reshape({1}), 0, index).reshape({});
  return rearrange("index_select", input, {{along, read.to_vector<std::int64_t>()}});
}

Tensor index(const Tensor& input, const std::vector<Tensor>& indices) {
  const Indexed indexed = check_indices("index", input, indices);
  const Tensor values =
      take_rows("index", input.permute(indexed.order), indexed.rows, indexed.run, indexed.values_shape());
  return indexed.first == 0 ? values : values.permute(placed_order(indexed));
}

Tensor index_put(const Tensor& input, const std::vector<Tensor>& indices, const Tensor& values, bool accumulate) {
  const Indexed indexed = check_indices("index_put", input, indices);
  check_dense_cpu("index_put", values);
  COPPICE_CHECK(values.dtype() == input.dtype(), "[index_put] expects values of the input's dtype; got input ",
                input.dtype(), " ", input.shape(), ", values ", values.dtype(), " ", values.shape());
  const Shape front = indexed.values_shape();
  const Dims order = placed_order(indexed);
  Dims placed;
  for (const std::int64_t dim : order) placed.push_back(front[static_cast<int>(dim)]);
  const Tensor whole = values.expand(Shape(placed)).permute(inverse_of(order));
  const Tensor table = input.permute(indexed.order);
  const Tensor output = accumulate ? add_rows("index_put", table, indexed.rows, whole, indexed.run)
                                   : put_rows("index_put", table, indexed.rows, whole, indexed.run);
  return output.permute(indexed.inverse);
}

Tensor nonzero(const Tensor& input) {
  check_dense_cpu("nonzero", input);
  const Tensor places = places_where(ne(input.detach(), 0));
  const std::int64_t* place = places.data<std::int64_t>();
  const int rank = input.dim();
  const Tensor coordinates = Tensor::empty({places.numel(), rank}, {.dtype = kInt64});
  std::int64_t* to = coordinates.data<std::int64_t>();
  if (rank == 0) return coordinates;
  Dims row;  // the leading coordinates of the row of elements [start, start + inner)
  for (int d = 0; d + 1 < rank; ++d) row.push_back(0);
  const std::int64_t inner = input.size(-1);
  std::int64_t start = 0;
  for (std::int64_t i = 0; i < places.numel(); ++i) {
    for (; place[i] >= start + inner; start += inner) {
      for (int d = rank - 2; d >= 0 && ++row[d] == input.size(d); --d) row[d] = 0;
    }
    for (int d = 0; d + 1 < rank; ++d) *to++ = row.begin()[d];
    *to++ = place[i] - start;
  }
  return coordinates;
}

}  // namespace coppice
