#include <coppice/ops/reduce.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/reduce.h>
#include <coppice/ops/elementwise.h>

namespace coppice {
namespace {

bool recording(const Tensor& input) { return detail::needs_record({input}); }

/// The reduced dimensions of a shape, as bits.
struct Reduced {
  unsigned bits = 0;
  bool has(int dim) const { return (bits >> dim & 1U) != 0; }
};

Reduced check_reduce(const char* op, const Tensor& input, const Dims& dims) {
  const TensorImpl& impl = detail::require_strided(input, op);
  COPPICE_CHECK(impl.device.is_cpu(), "[", op, "] has no kernel for ", impl.device, "; got ", impl.shape,
                "; copy with to(kCpu)");
  Reduced reduced;
  for (const std::int64_t dim : dims) {
    const unsigned bit = 1U << normalize_dim(static_cast<int>(dim), impl.shape.rank(), op);
    COPPICE_CHECK((reduced.bits & bit) == 0, "[", op, "] names a dimension twice; got dims ", dims, " for ",
                  impl.shape);
    reduced.bits |= bit;
  }
  if (dims.empty()) reduced.bits = (1U << impl.shape.rank()) - 1;
  return reduced;
}

Shape reduced_shape(const Shape& shape, Reduced reduced, bool keepdim) {
  Dims sizes;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!reduced.has(i)) {
      sizes.push_back(shape[i]);
    } else if (keepdim) {
      sizes.push_back(1);
    }
  }
  return Shape(sizes);
}

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

Tensor expand_back(const Tensor& reduced, const Shape& kept, const Shape& shape) {
  return reduced.reshape(kept).expand(shape);
}

std::int64_t count_of(const Shape& shape, Reduced reduced) {
  std::int64_t count = 1;
  for (int i = 0; i < shape.rank(); ++i) count *= reduced.has(i) ? shape[i] : 1;
  return count;
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

Tensor argmax(const Tensor& input, int dim, bool keepdim) {
  const Reduced reduced = check_reduce("argmax", input, {dim});
  const Shape& shape = input.shape();
  COPPICE_CHECK(count_of(shape, reduced) > 0, "[argmax] has no value for no elements; got ", shape,
                " reduced along dimension ", dim);
  cpu::ReduceGeometry geometry{1, 1, 1};
  const int along = normalize_dim(dim, shape.rank(), "argmax");
  for (int i = 0; i < shape.rank(); ++i) {
    (i < along ? geometry.outer : i == along ? geometry.reduced : geometry.inner) *= shape[i];
  }
  Tensor output = Tensor::empty(reduced_shape(shape, reduced, keepdim), {.dtype = kInt64});
  const Tensor source = detail::raw_contiguous(input);
  cpu::argmax(input.dtype(), geometry, source.raw_data(), output.data<std::int64_t>());
  return output;
}

Tensor argmax(const Tensor& input) { return argmax(input.detach().reshape({-1}), 0); }

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
