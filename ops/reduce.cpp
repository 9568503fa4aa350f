#include <coppice/ops/reduce.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/reduce.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/gather.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/reduce_dims.h>

namespace coppice {
namespace {

using detail::check_reduce;
using detail::count_of;
using detail::expand_back;
using detail::Reduced;
using detail::reduced_shape;

bool recording(const Tensor& input) { return detail::needs_record({input}); }
/// Reduces each run of neighbouring dimensions at once, the innermost first. The result has shape `shape`.
Tensor reduce_dims(cpu::ReduceOp op, const Tensor& input, Reduced reduced, const Shape& shape) {
  Tensor current = detail::raw_contiguous(input);
  std::int64_t inner = 1;
  for (int last = input.dim() - 1; last >= 0; --last) {
    const std::int64_t size = input.shape()[last];
    if (!reduced.has(last)) {
      inner *= size;
      continue;
    }
    std::int64_t run = size;
    while (last > 0 && reduced.has(last - 1)) run *= input.shape()[--last];
    if (run == 1) continue;
    const std::int64_t outer = current.numel() / (run * inner);
    Tensor next = Tensor::empty({outer, inner}, {.dtype = input.dtype()});
    cpu::reduce(op, input.dtype(), {outer, run, inner}, current.raw_data(), next.raw_data());
    current = std::move(next);
  }
  return detail::make_view(current.impl()->storage, shape, contiguous_strides(shape), current.impl()->offset,
                           current.dtype());
}

Tensor extremum(const char* name, cpu::ReduceOp op, const Tensor& input, const Dims& dims, bool keepdim) {
  const Reduced reduced = check_reduce(name, input, dims);
  const Shape& shape = input.shape();
  COPPICE_CHECK(count_of(shape, reduced) > 0, "[", name, "] has no value for no elements; got ", shape,
                " reduced along ", dims);
  COPPICE_CHECK(static_cast<int>(input.dtype()) <= static_cast<int>(kBool), "[", name, "] has no kernel for ",
                input.dtype(), "; cast with to(kFloat32)");
  const Shape kept = reduced_shape(shape, reduced, true);
  const Shape result = reduced_shape(shape, reduced, keepdim);
  Tensor output =
      input.numel() == 0 ? Tensor::empty(result, {.dtype = input.dtype()}) : reduce_dims(op, input, reduced, result);
  if (output.impl()->storage.get() == input.impl()->storage.get()) output = output.clone();
  if (!recording(input)) return output;
  return record(name, output, {input}, {input, output}, [kept, reduced](const Saved& saved, const Tensor& d_output) {
    const Tensor input_value = saved[0].detach();
    const Tensor ties = eq(input_value, saved[1].detach().reshape(kept));
    Dims along;
    for (int i = 0; i < kept.rank(); ++i) {
      if (reduced.has(i)) along.push_back(i);
    }
    const Tensor weight = ties.to(input_value.dtype()) / sum(ties, along, true).to(input_value.dtype());
    return d_output.reshape(kept) * weight;
  });
}

}  // namespace

Tensor sum(const Tensor& input) { return sum(input, Dims{}); }

Tensor sum(const Tensor& input, const Dims& dims, bool keepdim) {
  const Reduced reduced = check_reduce("sum", input, dims);
  const DType dtype = is_floating(input.dtype()) ? input.dtype() : kInt64;
  COPPICE_CHECK(dtype == kFloat32 || dtype == kFloat64 || dtype == kInt64, "[sum] has no kernel for ", dtype,
                "; cast with to(kFloat32)");
  const Shape shape = reduced_shape(input.shape(), reduced, keepdim);
  Tensor output = input.numel() == 0 ? Tensor::zeros(shape, {.dtype = dtype})
                                     : reduce_dims(cpu::ReduceOp::Sum, detail::raw_cast(input, dtype), reduced, shape);
  if (output.impl()->storage.get() == input.impl()->storage.get()) output = output.clone();
  if (!recording(input)) return output;
  return record("sum", output, {input}, {},
                [kept = reduced_shape(input.shape(), reduced, true), from = input.shape()](
                    const Saved&, const Tensor& d_output) { return expand_back(d_output, kept, from); });
}

Tensor mean(const Tensor& input) { return mean(input, Dims{}); }

Tensor mean(const Tensor& input, const Dims& dims, bool keepdim) {
  const Reduced reduced = check_reduce("mean", input, dims);
  COPPICE_CHECK(is_floating(input.dtype()), "[mean] expects a floating dtype; got ", input.dtype(), " ", input.shape(),
                "; cast with to(kFloat32)");
  return sum(input, dims, keepdim) / static_cast<double>(count_of(input.shape(), reduced));
}

Tensor amax(const Tensor& input, const Dims& dims, bool keepdim) {
  return extremum("amax", cpu::ReduceOp::Max, input, dims, keepdim);
}

Tensor amin(const Tensor& input, const Dims& dims, bool keepdim) {
  return extremum("amin", cpu::ReduceOp::Min, input, dims, keepdim);
}

namespace {

Tensor arg_extremum(const char* name, cpu::ReduceOp op, const Tensor& input, int dim, bool keepdim) {
  const Reduced reduced = check_reduce(name, input, {dim});
  const Shape& shape = input.shape();
  COPPICE_CHECK(count_of(shape, reduced) > 0, "[", name, "] has no value for no elements; got ", shape,
                " reduced along dimension ", dim);
  Tensor output = Tensor::empty(reduced_shape(shape, reduced, keepdim), {.dtype = kInt64});
  const Tensor source = detail::raw_contiguous(input);
  cpu::arg_extremum(op, input.dtype(), detail::geometry_along(shape, normalize_dim(dim, shape.rank(), name)),
                    source.raw_data(), output.data<std::int64_t>());
  return output;
}

}  // namespace

Tensor argmax(const Tensor& input, int dim, bool keepdim) {
  return arg_extremum("argmax", cpu::ReduceOp::Max, input, dim, keepdim);
}
Tensor argmin(const Tensor& input, int dim, bool keepdim) {
  return arg_extremum("argmin", cpu::ReduceOp::Min, input, dim, keepdim);
}

Tensor argmax(const Tensor& input) { return argmax(input.detach().reshape({-1}), 0); }
Tensor argmin(const Tensor& input) { return argmin(input.detach().reshape({-1}), 0); }

Tensor max(const Tensor& input) { return extremum("max", cpu::ReduceOp::Max, input, {}, false); }
Tensor min(const Tensor& input) { return extremum("min", cpu::ReduceOp::Min, input, {}, false); }
Tensor max(const Tensor& input, const Tensor& other) { return maximum(input, other); }
Tensor min(const Tensor& input, const Tensor& other) { return minimum(input, other); }

namespace {

Ordered with_place(const char* name, cpu::ReduceOp op, const Tensor& input, int dim, bool keepdim) {
  const Tensor place = arg_extremum(name, op, input, dim, true);
  const Shape shape = reduced_shape(input.shape(), check_reduce(name, input, {dim}), keepdim);
  const bool scalar = input.dim() == 0;
  const Tensor value =
      gather(scalar ? input.reshape({1}) : input, scalar ? 0 : dim, scalar ? place.reshape({1}) : place);
  return {value.reshape(shape), place.reshape(shape)};
}

}  // namespace

Ordered max(const Tensor& input, int dim, bool keepdim) {
  return with_place("max", cpu::ReduceOp::Max, input, dim, keepdim);
}
Ordered min(const Tensor& input, int dim, bool keepdim) {
  return with_place("min", cpu::ReduceOp::Min, input, dim, keepdim);
}

Tensor prod(const Tensor& input) { return prod(input, Dims{}); }

Tensor prod(const Tensor& input, const Dims& dims, bool keepdim) {
  const Reduced reduced = check_reduce("prod", input, dims);
  const Tensor factors = is_floating(input.dtype()) ? input : input.to(kInt64);
  Dims order;
  for (const bool last : {false, true}) {
    for (int i = 0; i < input.dim(); ++i) {
      if (reduced.has(i) == last) order.push_back(i);
    }
  }
  const Shape shape = reduced_shape(input.shape(), reduced, keepdim);
  std::int64_t count = count_of(input.shape(), reduced);
  if (count == 0) return Tensor::ones(shape, {.dtype = factors.dtype()});
  Tensor product = factors.permute(order).reshape({shape.numel(), count});
  Tensor odd = Tensor::ones({shape.numel(), 1}, {.dtype = factors.dtype()});
  for (std::int64_t half = count / 2; count > 1; count = half, half = count / 2) {
    if (count % 2 == 1) odd = odd * product.narrow(1, count - 1, 1);
    product = product.narrow(1, 0, half) * product.narrow(1, half, half);
  }
  return (product * odd).reshape(shape);
}

Tensor any(const Tensor& input, const Dims& dims, bool keepdim) { return ne(count_nonzero(input, dims, keepdim), 0); }

Tensor all(const Tensor& input, const Dims& dims, bool keepdim) {
  return logical_not(any(logical_not(input), dims, keepdim));
}

Tensor count_nonzero(const Tensor& input, const Dims& dims, bool keepdim) { return sum(ne(input, 0), dims, keepdim); }

Tensor sum_to_shape(const Tensor& input, const Shape& shape) {
  if (input.shape() == shape) return input;
  const int added = input.dim() - shape.rank();
  Dims dims;
  for (int i = 0; i < input.dim(); ++i) {
    const std::int64_t size = i < added ? 1 : shape[i - added];
    if (size != input.shape()[i]) {
      COPPICE_CHECK(size == 1, "[sum_to_shape] expects a shape that broadcasts to the input's; got input ",
                    input.shape(), ", shape ", shape);
      dims.push_back(i);
    }
  }
  COPPICE_CHECK(added >= 0, "[sum_to_shape] expects a shape that broadcasts to the input's; got input ", input.shape(),
                ", shape ", shape);
  return (dims.empty() ? input : sum(input, dims, true)).reshape(shape);
}

}  // namespace coppice
