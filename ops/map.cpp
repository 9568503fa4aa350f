#include <coppice/ops/map.h>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/elementwise.h>

namespace coppice {
namespace {

using cpu::StridedOperand;

const TensorImpl& check_operand(const Tensor& tensor, const char* name) {
  const TensorImpl& impl = detail::require_strided(tensor, name);
  COPPICE_CHECK(impl.device.is_cpu(), "[", name, "] has no kernel for ", impl.device, "; got ", impl.shape,
                "; copy with to(kCpu)");
  return impl;
}

/// One side of a binary op: a tensor, or a number that is repeated everywhere.
class Operand {
 public:
  Operand(const Tensor& tensor, const char* name) : shape_(check_operand(tensor, name).shape), tensor_(tensor) {
    if (detail::is_blocked(tensor)) tensor_ = detail::raw_contiguous(tensor);
  }
  explicit Operand(Scalar scalar) : scalar_(scalar) {}

  const Shape& shape() const { return shape_; }
  bool is_tensor() const { return tensor_.defined(); }
  bool is_integral_number() const { return scalar_.is_integral(); }
  DType dtype() const { return tensor_.dtype(); }

  /// The operand as elements of `dtype` over `shape`; valid while this object lives.
  StridedOperand prepare(DType dtype, const Shape& shape) {
    if (is_tensor()) {
      if (tensor_.dtype() != dtype) tensor_ = detail::raw_cast(tensor_, dtype);
      return {tensor_.raw_data(), detail::broadcast_strides(shape_, tensor_.strides(), shape), size_of(dtype)};
    }
    dispatch_dtype(dtype, "scalar", [&]<class T>() {
      const T value = scalar_.as<T>();
      std::memcpy(&number_, &value, sizeof(T));
    });
    Strides repeated;
    for (int i = 0; i < shape.rank(); ++i) repeated.push_back(0);
    return {&number_, repeated, size_of(dtype)};
  }

 private:
  Shape shape_;
  Tensor tensor_;
  Scalar scalar_ = 0;
  double number_ = 0.0;
};

/// The table of ops/elementwise.h.
DType operand_type(const Operand& a, const Operand& b) {
  if (a.is_tensor() && b.is_tensor()) return promote_types(a.dtype(), b.dtype());
  const DType tensor = a.is_tensor() ? a.dtype() : b.dtype();
  const bool integral_number = a.is_tensor() ? b.is_integral_number() : a.is_integral_number();
  if (is_floating(tensor)) return tensor;
  if (!integral_number) return kFloat32;
  return tensor == kBool ? kInt64 : tensor;
}

bool gives_bool(BinaryOp op) { return op >= BinaryOp::Equal; }

template <class Op>
auto find_kernel(const char* name, Op op, DType dtype) {
  const auto kernel = cpu::elementwise_kernels().find(op, dtype);
  COPPICE_CHECK(kernel, "[", name, "] has no kernel for ", dtype, "; cast with to()");
  return kernel;
}

Tensor map_operands(const char* name, BinaryOp op, Operand a, Operand b, double parameter = 0.0) {
  const Shape shape = broadcast_shapes(a.shape(), b.shape(), name);
  DType dtype = operand_type(a, b);
  if (op >= BinaryOp::Div && !gives_bool(op) && !is_floating(dtype)) dtype = kFloat32;
  const cpu::BinaryKernel kernel = find_kernel(name, op, dtype);
  Tensor output = Tensor::empty(shape, {.dtype = gives_bool(op) ? kBool : dtype});
  cpu::apply_strided<2>(shape, {a.prepare(dtype, shape), b.prepare(dtype, shape)}, output.raw_data(),
                        size_of(output.dtype()),
                        [kernel, parameter](const std::array<const void*, 2>& in, void* out, std::int64_t count) {
                          kernel(in[0], in[1], out, count, parameter);
                        });
  return output;
}

const std::byte* first_element(const TensorImpl& impl, std::size_t size) {
  return static_cast<const std::byte*>(impl.storage->data()) + static_cast<std::size_t>(impl.offset) * size;
}

/// Calls body(first, count) on parts that cover `numel` contiguous elements, in parallel where that pays.
template <class Body>
void for_parts(std::int64_t numel, Body body) {
  if (numel <= cpu::kElementwiseGrain) return body(0, numel);
  parallel_for(0, numel, cpu::kElementwiseGrain,
               [&](std::int64_t first, std::int64_t end) { body(first, end - first); });
}

bool is_plain(const TensorImpl* impl) {
  return impl && impl->layout == Layout::Strided && impl->contiguous && impl->device.is_cpu();
}

/// A blocked tensor's elements, padding included, as a vector.
Tensor blocked_elements(const Tensor& tensor) {
  return detail::make_view(tensor.impl()->storage, {detail::blocked_size(tensor)}, Strides{1}, 0, tensor.dtype());
}
Tensor as_blocked(const Tensor& elements, const Shape& shape) {
  return detail::make_blocked(elements.impl()->storage, shape, elements.dtype());
}

/// Whether an op of zeros is zero, so that padding stays what it must be.
bool keeps_padding(BinaryOp op) { return op < BinaryOp::Remainder; }
bool keeps_padding(UnaryOp op) { return op < UnaryOp::BitwiseNot || op >= UnaryOp::Sqrt; }

}  // namespace

Tensor map(const char* name, BinaryOp op, const Tensor& a, const Tensor& b, double parameter) {
  const TensorImpl* x = a.impl();
  const TensorImpl* y = b.impl();
  if (is_plain(x) && is_plain(y) && x->dtype == y->dtype && x->shape == y->shape) {
    if (const cpu::BinaryKernel kernel = cpu::elementwise_kernels().find(op, x->dtype)) {
      Tensor output = Tensor::empty(x->shape, {.dtype = gives_bool(op) ? kBool : x->dtype});
      const std::size_t size = size_of(x->dtype);
      const std::size_t out_size = gives_bool(op) ? 1 : size;
      const std::byte* from_a = first_element(*x, size);
      const std::byte* from_b = first_element(*y, size);
      std::byte* to = static_cast<std::byte*>(output.impl()->storage->data());
      for_parts(x->numel, [&](std::int64_t first, std::int64_t count) {
        const auto at = static_cast<std::size_t>(first);
        kernel(from_a + at * size, from_b + at * size, to + at * out_size, count, parameter);
      });
      return output;
    }
  }
  if ((detail::is_blocked(a) || detail::is_blocked(b)) && keeps_padding(op) && a.shape() == b.shape() &&
      a.dtype() == b.dtype()) {
    const Tensor first = detail::in_format(a, MemoryFormat::Blocked);
    const Tensor second = detail::in_format(b, MemoryFormat::Blocked);
    return as_blocked(map(name, op, blocked_elements(first), blocked_elements(second), parameter), a.shape());
  }
  return map_operands(name, op, Operand(a, name), Operand(b, name), parameter);
}

Tensor map(const char* name, BinaryOp op, const Tensor& a, Scalar b) {
  if (detail::is_blocked(a) && op == BinaryOp::Mul && detail::is_finite_as(a.dtype(), b.as<double>())) {
    return as_blocked(map(name, op, blocked_elements(a), b), a.shape());
  }
  return map_operands(name, op, Operand(a, name), Operand(b));
}

Tensor map(const char* name, BinaryOp op, Scalar a, const Tensor& b) {
  return map_operands(name, op, Operand(a), Operand(b, name));
}

Tensor map(const char* name, UnaryOp op, const Tensor& input, double parameter) {
  const TensorImpl& impl = check_operand(input, name);
  if (detail::is_blocked(input)) {
    if (keeps_padding(op)) return as_blocked(map(name, op, blocked_elements(input), parameter), impl.shape);
    return map(name, op, detail::raw_contiguous(input), parameter);
  }
  const DType dtype = op >= UnaryOp::Exp && !is_floating(impl.dtype) ? kFloat32 : impl.dtype;
  const cpu::UnaryKernel kernel = find_kernel(name, op, dtype);
  const std::size_t size = size_of(dtype);
  Tensor output = Tensor::empty(impl.shape, {.dtype = dtype});
  if (impl.contiguous && impl.dtype == dtype) {
    const std::byte* from = first_element(impl, size);
    std::byte* to = static_cast<std::byte*>(output.impl()->storage->data());
    for_parts(impl.numel, [&](std::int64_t first, std::int64_t count) {
      const auto at = static_cast<std::size_t>(first) * size;
      kernel(from + at, to + at, count, parameter);
    });
    return output;
  }
  const Tensor source = detail::raw_cast(input, dtype);
  cpu::apply_strided<1>(impl.shape, {StridedOperand{source.raw_data(), source.strides(), size}}, output.raw_data(),
                        size, [kernel, parameter](const std::array<const void*, 1>& in, void* out, std::int64_t count) {
                          kernel(in[0], out, count, parameter);
                        });
  return output;
}

namespace {

Tensor where_operands(const Tensor& condition, Operand a, Operand b) {
  const TensorImpl& chosen = check_operand(condition, "where");
  COPPICE_CHECK(chosen.dtype == kBool, "[where] expects a bool condition; got ", chosen.dtype, " ", chosen.shape,
                "; compare, e.g. ne(condition, 0)");
  const DType dtype = operand_type(a, b);
  const std::size_t size = size_of(dtype);
  const cpu::WhereKernel kernel = cpu::elementwise_kernels().where[size];
  COPPICE_CHECK(kernel, "[where] has no kernel for ", dtype, "; cast with to()");
  const Shape shape = broadcast_shapes(chosen.shape, broadcast_shapes(a.shape(), b.shape(), "where"), "where");
  Tensor output = Tensor::empty(shape, {.dtype = dtype});
  const StridedOperand choice{condition.raw_data(), detail::broadcast_strides(chosen.shape, chosen.strides, shape), 1};
  cpu::apply_strided<3>(shape, {choice, a.prepare(dtype, shape), b.prepare(dtype, shape)}, output.raw_data(), size,
                        [kernel](const std::array<const void*, 3>& in, void* out, std::int64_t count) {
                          kernel(in[0], in[1], in[2], out, count);
                        });
  return output;
}

}  // namespace

Tensor map_where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  return where_operands(condition, Operand(a, "where"), Operand(b, "where"));
}

Tensor map_where(const Tensor& condition, const Tensor& a, Scalar b) {
  return where_operands(condition, Operand(a, "where"), Operand(b));
}

Tensor map_where(const Tensor& condition, Scalar a, const Tensor& b) {
  return where_operands(condition, Operand(a), Operand(b, "where"));
}

}  // namespace coppice
