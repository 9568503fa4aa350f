// The view-and-copy methods of core/tensor.h, and ops/view.h: a view is a new shape over the same storage, and its
// gradient is the opposite view of the output's gradient.

#include <coppice/ops/view.h>

#include <algorithm>
#include <optional>

#include <coppice/autograd/record.h>
#include <coppice/core/backend.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/reduce.h>

namespace coppice {
namespace {

bool recording(const Tensor& input) { return detail::needs_record({input}); }

Tensor view_of(const TensorImpl& impl, const Shape& shape, const Strides& strides, std::int64_t offset) {
  return detail::make_view(impl.storage, shape, strides, offset, impl.dtype);
}

Shape with_inferred_size(const char* op, const Dims& wanted, const Shape& from) {
  int inferred = -1;
  std::int64_t known = 1;
  for (int i = 0; i < wanted.rank(); ++i) {
    if (wanted[i] == -1) {
      COPPICE_CHECK(inferred < 0, "[", op, "] at most one size may be -1; got ", wanted);
      inferred = i;
    } else {
      COPPICE_CHECK(wanted[i] >= 0, "[", op, "] sizes must be -1 or more; got ", wanted);
      known *= wanted[i];
    }
  }
  Dims sizes = wanted;
  const std::int64_t count = from.numel();
  if (inferred >= 0) {
    COPPICE_CHECK(known > 0 && count % known == 0, "[", op, "] cannot infer the size -1; got ", from, " to ", wanted);
    sizes[inferred] = count / known;
  }
  const Shape shape(sizes);
  COPPICE_CHECK(shape.numel() == count, "[", op, "] expects the same number of elements; got ", from, " (", count,
                ") to ", wanted, " (", shape.numel(), ")");
  return shape;
}

/// Strides that show `impl` as `shape` without a copy: every run of dimensions that lie in memory as one must be cut
/// at the borders of the wanted dimensions.
std::optional<Strides> strides_for_view(const TensorImpl& impl, const Shape& shape) {
  if (impl.contiguous || impl.numel == 0) return contiguous_strides(shape);
  Strides strides(shape.span());
  int wanted = shape.rank() - 1;
  std::int64_t run_stride = impl.strides[-1];
  std::int64_t run_size = 1;
  for (int i = impl.shape.rank() - 1; i >= 0; --i) {
    run_size *= impl.shape[i];
    const bool run_ends = i == 0 || (impl.shape[i - 1] != 1 && impl.strides[i - 1] != run_size * run_stride);
    if (!run_ends) continue;
    std::int64_t filled = 1;
    while (wanted >= 0 && (filled < run_size || shape[wanted] == 1)) {
      strides[wanted] = filled * run_stride;
      filled *= shape[wanted];
      --wanted;
    }
    if (filled != run_size) return std::nullopt;
    if (i > 0) run_stride = impl.strides[i - 1];
    run_size = 1;
  }
  return strides;
}

Tensor recorded_view(const char* op, const Tensor& input, const Shape& shape, const Strides& strides) {
  Tensor output = view_of(*input.impl(), shape, strides, input.impl()->offset);
  if (!recording(input)) return output;
  return record(op, output, {input}, {},
                [from = input.shape()](const Saved&, const Tensor& d_output) { return d_output.reshape(from); });
}

/// Elements start, start + step … of one dimension, `count` of them.
struct Range {
  int dim;
  std::int64_t start, count, step;
};

Tensor raw_range(const Tensor& input, const Range& range) {
  const TensorImpl& impl = *input.impl();
  Shape shape = impl.shape;
  Strides strides = impl.strides;
  shape[range.dim] = range.count;
  strides[range.dim] *= range.step;
  return view_of(impl, shape, strides, impl.offset + range.start * impl.strides[range.dim]);
}

Tensor take_range(const Tensor& input, const Range& range);

/// Zeros of `shape` with `values` at the range: the gradient of take_range.
Tensor put_range(const Tensor& values, const Shape& shape, const Range& range) {
  Tensor output = Tensor::zeros(shape, {.dtype = values.dtype(), .device = values.device()});
  detail::copy_into(raw_range(output, range), values);
  return record("slice_backward", output, {values}, {},
                [range](const Saved&, const Tensor& d_output) { return take_range(d_output, range); });
}

Tensor take_range(const Tensor& input, const Range& range) {
  Tensor output = raw_range(input, range);
  if (!recording(input)) return output;
  return record("slice", output, {input}, {}, [shape = input.shape(), range](const Saved&, const Tensor& d_output) {
    return put_range(d_output, shape, range);
  });
}

}  // namespace

Tensor Tensor::view(const Dims& sizes) const {
  const TensorImpl& impl = detail::require_strided(*this, "view");
  COPPICE_CHECK(impl.format != MemoryFormat::Blocked, "[view] a blocked tensor has no views; got ", impl.shape,
                "; use reshape(), which copies");
  const Shape shape = with_inferred_size("view", sizes, impl.shape);
  const auto strides = strides_for_view(impl, shape);
  COPPICE_CHECK(strides, "[view] expects elements that lie in memory in the wanted order; got ", impl.shape,
                " with strides ", impl.strides, " to ", shape, "; use reshape(), which copies");
  return recorded_view("view", *this, shape, *strides);
}

Tensor Tensor::reshape(const Dims& sizes) const {
  if (detail::is_blocked(*this)) return contiguous().reshape(sizes);
  const TensorImpl& impl = detail::require_strided(*this, "reshape");
  const Shape shape = with_inferred_size("reshape", sizes, impl.shape);
  if (shape == impl.shape) return *this;
  if (const auto strides = strides_for_view(impl, shape)) return recorded_view("reshape", *this, shape, *strides);
  return contiguous().view(shape);
}

Tensor Tensor::flatten(int start_dim, int end_dim) const {
  if (detail::is_blocked(*this)) return contiguous().flatten(start_dim, end_dim);
  const TensorImpl& impl = detail::require_strided(*this, "flatten");
  const int first = normalize_dim(start_dim, impl.shape.rank(), "flatten");
  const int last = normalize_dim(end_dim, impl.shape.rank(), "flatten");
  COPPICE_CHECK(first <= last, "[flatten] start_dim must not come after end_dim; got ", start_dim, " and ", end_dim,
                " for ", impl.shape);
  Dims sizes;
  std::int64_t run = 1;
  for (int i = 0; i < std::max(impl.shape.rank(), 1); ++i) {
    const std::int64_t size = impl.shape.empty() ? 1 : impl.shape[i];
    if (i < first || i > last) {
      sizes.push_back(size);
      continue;
    }
    run *= size;
    if (i == last) sizes.push_back(run);
  }
  return reshape(sizes);
}

Tensor Tensor::permute(const Dims& order) const {
  if (detail::is_blocked(*this)) return contiguous().permute(order);
  const TensorImpl& impl = detail::require_strided(*this, "permute");
  const int rank = impl.shape.rank();
  COPPICE_CHECK(order.rank() == rank, "[permute] expects one entry per dimension; got ", order, " for ", impl.shape);
  Shape shape = impl.shape;
  Strides strides = impl.strides;
  Dims inverse = order;
  unsigned seen = 0;
  for (int i = 0; i < rank; ++i) {
    const int source = normalize_dim(static_cast<int>(order[i]), rank, "permute");
    COPPICE_CHECK((seen >> source & 1U) == 0, "[permute] names a dimension twice; got ", order, " for ", impl.shape);
    seen |= 1U << source;
    shape[i] = impl.shape[source];
    strides[i] = impl.strides[source];
    inverse[source] = i;
  }
  Tensor output = view_of(impl, shape, strides, impl.offset);
  if (!recording(*this)) return output;
  return record("permute", output, {*this}, {},
                [inverse](const Saved&, const Tensor& d_output) { return d_output.permute(inverse); });
}

Tensor Tensor::transpose(int dim0, int dim1) const {
  if (detail::is_blocked(*this)) return contiguous().transpose(dim0, dim1);
  const int rank = detail::require_strided(*this, "transpose").shape.rank();
  const int first = normalize_dim(dim0, rank, "transpose");
  const int second = normalize_dim(dim1, rank, "transpose");
  Dims order;
  for (int i = 0; i < rank; ++i) order.push_back(i == first ? second : i == second ? first : i);
  return permute(order);
}

Tensor Tensor::t() const {
  if (detail::is_blocked(*this)) return contiguous().t();
  const TensorImpl& impl = detail::require_strided(*this, "t");
  COPPICE_CHECK(impl.shape.rank() == 2, "[t] expects a matrix; got ", impl.shape, "; use transpose(dim0, dim1)");
  return permute({1, 0});
}

Tensor Tensor::unsqueeze(int dim) const {
  if (detail::is_blocked(*this)) return contiguous().unsqueeze(dim);
  const TensorImpl& impl = detail::require_strided(*this, "unsqueeze");
  COPPICE_CHECK(impl.shape.rank() < kMaxRank, "[unsqueeze] expects fewer than ", kMaxRank, " dimensions; got ",
                impl.shape);
  const int position = normalize_dim(dim, impl.shape.rank() + 1, "unsqueeze");
  Shape shape = impl.shape;
  Strides strides = impl.strides;
  const bool last = position == shape.rank();
  strides.insert(position, last ? 1 : shape[position] * strides[position]);
  shape.insert(position, 1);
  return recorded_view("unsqueeze", *this, shape, strides);
}

Tensor Tensor::squeeze(int dim) const {
  if (detail::is_blocked(*this)) return contiguous().squeeze(dim);
  const TensorImpl& impl = detail::require_strided(*this, "squeeze");
  const int position = normalize_dim(dim, impl.shape.rank(), "squeeze");
  if (impl.shape.empty() || impl.shape[position] != 1) return *this;
  Shape shape = impl.shape;
  Strides strides = impl.strides;
  shape.erase(position);
  strides.erase(position);
  return recorded_view("squeeze", *this, shape, strides);
}

Tensor Tensor::expand(const Shape& wanted) const {
  if (detail::is_blocked(*this)) return contiguous().expand(wanted);
  const TensorImpl& impl = detail::require_strided(*this, "expand");
  const int added = wanted.rank() - impl.shape.rank();
  bool fits = added >= 0;
  Strides strides(wanted.span());
  for (int i = 0; fits && i < wanted.rank(); ++i) {
    const std::int64_t size = i < added ? 1 : impl.shape[i - added];
    fits = size == wanted[i] || size == 1;
    strides[i] = i < added || size != wanted[i] ? 0 : impl.strides[i - added];
  }
  COPPICE_CHECK(fits, "[expand] sizes must be equal or 1, aligned at the end; got ", impl.shape, " to ", wanted);
  Tensor output = view_of(impl, wanted, strides, impl.offset);
  if (!recording(*this)) return output;
  return record("expand", output, {*this}, {},
                [from = impl.shape](const Saved&, const Tensor& d_output) { return sum_to_shape(d_output, from); });
}

Tensor Tensor::slice(int dim, std::int64_t start, std::int64_t end, std::int64_t step) const {
  if (detail::is_blocked(*this)) return contiguous().slice(dim, start, end, step);
  const TensorImpl& impl = detail::require_strided(*this, "slice");
  COPPICE_CHECK(!impl.shape.empty(), "[slice] expects at least one dimension; got a scalar");
  COPPICE_CHECK(step > 0, "[slice] expects a positive step; got ", step, " for ", impl.shape);
  const int along = normalize_dim(dim, impl.shape.rank(), "slice");
  const std::int64_t size = impl.shape[along];
  const std::int64_t first = std::clamp<std::int64_t>(start < 0 ? start + size : start, 0, size);
  const std::int64_t last = std::clamp<std::int64_t>(end < 0 ? end + size : end, first, size);
  return take_range(*this, {.dim = along, .start = first, .count = (last - first + step - 1) / step, .step = step});
}

Tensor Tensor::narrow(int dim, std::int64_t start, std::int64_t length) const {
  if (detail::is_blocked(*this)) return contiguous().narrow(dim, start, length);
  const TensorImpl& impl = detail::require_strided(*this, "narrow");
  COPPICE_CHECK(!impl.shape.empty(), "[narrow] expects at least one dimension; got a scalar");
  const int along = normalize_dim(dim, impl.shape.rank(), "narrow");
  const std::int64_t size = impl.shape[along];
  const std::int64_t first = start < 0 ? start + size : start;
  COPPICE_CHECK(first >= 0 && length >= 0 && length <= size - first, "[narrow] range leaves dimension ", along,
                "; got start ", start, ", length ", length, " for ", impl.shape);
  return take_range(*this, {.dim = along, .start = first, .count = length, .step = 1});
}

Tensor Tensor::select(int dim, std::int64_t index) const {
  if (detail::is_blocked(*this)) return contiguous().select(dim, index);
  const TensorImpl& impl = detail::require_strided(*this, "select");
  COPPICE_CHECK(!impl.shape.empty(), "[select] expects at least one dimension; got a scalar");
  const int along = normalize_dim(dim, impl.shape.rank(), "select");
  const std::int64_t size = impl.shape[along];
  COPPICE_CHECK(index >= -size && index < size, "[select] index must lie in [", -size, ", ", size, "); got ", index,
                " for dimension ", along, " of ", impl.shape);
  return take_range(*this, {.dim = along, .start = index < 0 ? index + size : index, .count = 1, .step = 1})
      .squeeze(along);
}

Tensor Tensor::contiguous() const {
  if (detail::require_strided(*this, "contiguous").contiguous) return *this;
  return detail::is_blocked(*this) ? to(MemoryFormat::Contiguous) : clone();
}

Tensor Tensor::clone() const {
  const TensorImpl& impl = detail::require_strided(*this, "clone");
  Tensor output = detail::is_blocked(*this) ? detail::empty_blocked(impl.shape, impl.dtype)
                                            : Tensor::empty(impl.shape, {.dtype = impl.dtype, .device = impl.device});
  detail::copy_into(output, *this);
  if (!recording(*this)) return output;
  return record("clone", output, {*this}, {}, [](const Saved&, const Tensor& d_output) { return d_output; });
}

Tensor Tensor::to(DType wanted) const {
  const TensorImpl& impl = detail::require_strided(*this, "to");
  if (impl.dtype == wanted) return *this;
  Tensor output = detail::raw_cast(*this, wanted);
  if (!is_floating(wanted) || !recording(*this)) return output;
  return record("to", output, {*this}, {},
                [from = impl.dtype](const Saved&, const Tensor& d_output) { return d_output.to(from); });
}

Tensor Tensor::to(Device wanted) const {
  const TensorImpl& impl = detail::require_strided(*this, "to");
  if (impl.device == wanted) return *this;
  const Tensor source = detail::raw_contiguous(*this);
  Tensor output = Tensor::empty(impl.shape, {.dtype = impl.dtype, .device = wanted});
  backend(wanted.is_cuda() ? wanted.type : impl.device.type)
      .copy(output.raw_data(), wanted, source.raw_data(), impl.device, static_cast<std::size_t>(output.nbytes()));
  if (!recording(*this)) return output;
  return record("to", output, {*this}, {},
                [from = impl.device](const Saved&, const Tensor& d_output) { return d_output.to(from); });
}

Tensor movedim(const Tensor& input, const Dims& source, const Dims& destination) {
  const int rank = input.dim();
  COPPICE_CHECK(source.rank() == destination.rank(), "[movedim] expects a destination for each source; got ", source,
                " and ", destination, " for ", input.shape());
  Dims order;
  for (int i = 0; i < rank; ++i) order.push_back(-1);
  unsigned moved = 0;
  for (int i = 0; i < source.rank(); ++i) {
    const int from = normalize_dim(static_cast<int>(source[i]), rank, "movedim");
    const int to = normalize_dim(static_cast<int>(destination[i]), rank, "movedim");
    if (rank == 0) continue;
    COPPICE_CHECK((moved >> from & 1U) == 0 && order[to] < 0, "[movedim] names a dimension twice; got ", source, " to ",
                  destination, " for ", input.shape());
    moved |= 1U << from;
    order[to] = from;
  }
  int next = 0;
  for (int i = 0; i < rank; ++i) {
    if (order[i] >= 0) continue;
    while ((moved >> next & 1U) != 0) ++next;
    order[i] = next++;
  }
  return input.permute(order);
}

Tensor squeeze(const Tensor& input) {
  Dims sizes;
  for (const std::int64_t size : input.shape()) {
    if (size != 1) sizes.push_back(size);
  }
  return input.reshape(sizes);
}

Tensor broadcast_to(const Tensor& input, const Shape& shape) { return input.expand(shape); }

Tensor unflatten(const Tensor& input, int dim, const Dims& sizes) {
  COPPICE_CHECK(input.dim() > 0, "[unflatten] expects at least one dimension; got a scalar");
  const int along = normalize_dim(dim, input.dim(), "unflatten");
  const Shape cut = with_inferred_size("unflatten", sizes, {input.size(along)});
  Dims all;
  for (int i = 0; i < along; ++i) all.push_back(input.size(i));
  for (const std::int64_t size : cut) all.push_back(size);
  for (int i = along + 1; i < input.dim(); ++i) all.push_back(input.size(i));
  return input.reshape(all);
}

}  // namespace coppice
