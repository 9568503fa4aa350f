// The few kernels every room needs: fill, copy, cast, add.

#include <cstring>

#include <coppice/core/backend.h>
#include <coppice/core/strided_loop.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice {

namespace {

/// As dispatch_dtype, with the two storage-only types: what a cast needs.
template <class F>
void dispatch_any(DType dtype, F&& function) {
  switch (dtype) {
    case kFloat16: return function.template operator()<Half>();
    case kBFloat16: return function.template operator()<BFloat16>();
    default: return dispatch_dtype(dtype, "copy", function);
  }
}

template <class T>
inline constexpr bool is_storage_only = std::is_same_v<T, Half> || std::is_same_v<T, BFloat16>;

template <class To, class From>
To convert(From value) {
  if constexpr (std::is_same_v<To, From>) {
    return value;
  } else if constexpr (is_storage_only<From>) {
    return convert<To>(static_cast<float>(value));
  } else if constexpr (is_storage_only<To>) {
    return To(static_cast<float>(value));
  } else if constexpr (std::is_same_v<To, bool>) {
    return value != From{0};
  } else {
    return static_cast<To>(value);
  }
}

template <class To, class From>
void copy_elements(const Tensor& destination, const Tensor& source, const Strides& source_strides) {
  To* to = static_cast<To*>(destination.raw_data());
  const From* from = static_cast<const From*>(source.raw_data());
  strided_loop<2>(destination.shape(), {&destination.strides(), &source_strides},
                  [&](std::array<std::int64_t, 2> offset, std::array<std::int64_t, 2> step, std::int64_t count) {
                    To* out = to + offset[0];
                    const From* in = from + offset[1];
                    if (step[0] == 1 && step[1] == 1) {
                      for (std::int64_t i = 0; i < count; ++i) out[i] = convert<To>(in[i]);
                    } else {
                      for (std::int64_t i = 0; i < count; ++i) out[i * step[0]] = convert<To>(in[i * step[1]]);
                    }
                  });
}

void copy_on_cpu(const Tensor& destination, const Tensor& source) {
  const Strides source_strides = detail::broadcast_strides(source.shape(), source.strides(), destination.shape());
  dispatch_any(destination.dtype(), [&]<class To>() {
    dispatch_any(source.dtype(), [&]<class From>() { copy_elements<To, From>(destination, source, source_strides); });
  });
}

void check_broadcast_to(const Tensor& source, const Tensor& destination, const char* op) {
  COPPICE_CHECK(broadcast_shapes(destination.shape(), source.shape(), op) == destination.shape(), "[", op,
                "] expects a source that broadcasts to the destination; got source ", source.shape(), ", destination ",
                destination.shape());
}

}  // namespace

namespace detail {

void copy_into(const Tensor& destination, const Tensor& source) {
  const TensorImpl& to = require_strided(destination, "copy_");
  const TensorImpl& from = require_strided(source, "copy_");
  check_broadcast_to(source, destination, "copy_");
  if (is_blocked(destination) || is_blocked(source)) {
    const bool alike = to.shape == from.shape && to.dtype == from.dtype;
    if (!alike && is_blocked(source)) return copy_into(destination, in_format(source, MemoryFormat::Contiguous));
    COPPICE_CHECK(alike, "[copy_] into a blocked tensor expects its shape and dtype; got ", from.dtype, " ", from.shape,
                  " to ", to.dtype, " ", to.shape);
    to.storage->bump_version();
    return copy_blocked(destination, source);
  }
  to.storage->bump_version();
  if (to.numel == 0) return;
  const bool same_bytes = to.dtype == from.dtype && to.shape == from.shape && to.contiguous && from.contiguous;
  if (same_bytes) {
    Backend& mover = backend(to.device.is_cpu() ? from.device.type : to.device.type);
    mover.copy(destination.raw_data(), to.device, source.raw_data(), from.device,
               static_cast<std::size_t>(destination.nbytes()));
    return;
  }
  COPPICE_CHECK(to.device.is_cpu() && from.device.is_cpu(),
                "[copy_] between devices expects contiguous tensors of one dtype and shape; got ", from.dtype, " ",
                from.shape, " on ", from.device, " to ", to.dtype, " ", to.shape, " on ", to.device);
  copy_on_cpu(destination, source);
}

void add_into(const Tensor& destination, const Tensor& source, double alpha) {
  const TensorImpl& to = require_strided(destination, "add_");
  require_strided(source, "add_");
  COPPICE_CHECK(source.dtype() == to.dtype, "[add_] expects one dtype; got ", to.dtype, " ", to.shape, " and ",
                source.dtype(), " ", source.shape());
  check_broadcast_to(source, destination, "add_");
  if (is_blocked(destination)) {
    COPPICE_CHECK(source.shape() == to.shape, "[add_] to a blocked tensor expects its shape; got ", source.shape(),
                  " for ", to.shape, "; convert with contiguous()");
    if (!is_finite_as(to.dtype, alpha)) {
      const Tensor sum = in_format(destination, MemoryFormat::Contiguous);
      add_into(sum, source, alpha);
      return copy_into(destination, sum);
    }
    const Shape all{blocked_size(destination)};
    return add_into(make_view(to.storage, all, Strides{1}, 0, to.dtype),
                    make_view(in_format(source, MemoryFormat::Blocked).impl()->storage, all, Strides{1}, 0, to.dtype),
                    alpha);
  }
  if (is_blocked(source)) return add_into(destination, in_format(source, MemoryFormat::Contiguous), alpha);
  to.storage->bump_version();
  const Strides source_strides = broadcast_strides(source.shape(), source.strides(), to.shape);
  dispatch_dtype(to.dtype, "add_", [&]<class T>() {
    T* out = destination.data<T>();
    const T* in = source.data<T>();
    const T scale = static_cast<T>(alpha);
    strided_loop<2>(to.shape, {&to.strides, &source_strides},
                    [&](std::array<std::int64_t, 2> offset, std::array<std::int64_t, 2> step, std::int64_t count) {
                      T* sum = out + offset[0];
                      const T* addend = in + offset[1];
                      if (step[0] == 1 && step[1] == 1) {
                        for (std::int64_t i = 0; i < count; ++i) sum[i] = static_cast<T>(sum[i] + scale * addend[i]);
                      } else {
                        for (std::int64_t i = 0; i < count; ++i) {
                          T& element = sum[i * step[0]];
                          element = static_cast<T>(element + scale * addend[i * step[1]]);
                        }
                      }
                    });
  });
}

Tensor raw_contiguous(const Tensor& tensor) {
  if (tensor.is_contiguous()) return detached(tensor);
  if (is_blocked(tensor)) return in_format(tensor, MemoryFormat::Contiguous);
  const Tensor result = Tensor::empty_like(tensor);
  copy_into(result, tensor);
  return result;
}

Tensor raw_cast(const Tensor& tensor, DType dtype) {
  if (tensor.dtype() == dtype) return is_blocked(tensor) ? raw_contiguous(tensor) : detached(tensor);
  const Tensor result = Tensor::empty(tensor.shape(), {.dtype = dtype, .device = tensor.device()});
  copy_into(result, tensor);
  return result;
}

Tensor to_host(const Tensor& tensor, DType dtype) {
  if (tensor.is_masked()) return raw_cast(tensor.weight_state().to_dense(), dtype);
  Tensor host = raw_contiguous(tensor);
  if (!host.device().is_cpu()) {
    const Tensor copy = Tensor::empty(host.shape(), {.dtype = host.dtype()});
    copy_into(copy, host);
    host = copy;
  }
  return raw_cast(host, dtype);
}

double scalar_as_double(const Tensor& tensor) {
  COPPICE_CHECK(tensor.numel() == 1, "[item] expects a tensor with one element; got ", tensor.shape());
  return *to_host(tensor, kFloat64).data<double>();
}

std::int64_t scalar_as_int64(const Tensor& tensor) {
  COPPICE_CHECK(tensor.numel() == 1, "[item] expects a tensor with one element; got ", tensor.shape());
  return *to_host(tensor, kInt64).data<std::int64_t>();
}

Tensor copy_from_host(const void* values, std::int64_t count, DType dtype, const std::optional<Shape>& shape,
                      Device device) {
  const Shape target = shape.value_or(Shape{count});
  COPPICE_CHECK(target.numel() == count, "[Tensor::of] expects as many values as the shape holds; got ", count,
                " values for ", target);
  const Tensor result = Tensor::empty(target, {.dtype = dtype, .device = device});
  if (count > 0) {
    backend(device.type).copy(result.raw_data(), device, values, kCpu, static_cast<std::size_t>(result.nbytes()));
  }
  return result;
}

}  // namespace detail

Tensor& Tensor::copy_(const Tensor& source) {
  detail::check_writable(*this, "copy_");
  detail::check_constant(source, "copy_");
  detail::copy_into(*this, source);
  return *this;
}

Tensor& Tensor::fill_(double value) {
  const TensorImpl& impl = detail::require_strided(*this, "fill_");
  if (detail::is_blocked(*this)) return copy_(Tensor::full(impl.shape, value, {.dtype = impl.dtype}));
  detail::check_writable(*this, "fill_");
  COPPICE_CHECK(impl.device.is_cpu(), "[fill_] expects a CPU tensor; got ", impl.device);
  impl.storage->bump_version();
  dispatch_any(impl.dtype, [&]<class T>() {
    T* first = static_cast<T*>(raw_data());
    const T element = convert<T>(value);
    strided_loop<1>(impl.shape, {&impl.strides},
                    [&](std::array<std::int64_t, 1> offset, std::array<std::int64_t, 1> step, std::int64_t count) {
                      for (std::int64_t i = 0; i < count; ++i) first[offset[0] + i * step[0]] = element;
                    });
  });
  return *this;
}

Tensor& Tensor::zero_() {
  const TensorImpl& impl = detail::require_strided(*this, "zero_");
  if (!impl.contiguous) return fill_(0.0);
  detail::check_writable(*this, "zero_");
  impl.storage->bump_version();
  backend(impl.device.type).fill_zero(raw_data(), impl.device, static_cast<std::size_t>(nbytes()));
  return *this;
}

Tensor& Tensor::add_(const Tensor& other, double alpha) {
  detail::check_writable(*this, "add_");
  detail::check_constant(other, "add_");
  detail::add_into(*this, other, alpha);
  return *this;
}

Tensor& Tensor::mul_(double factor) {
  const TensorImpl& impl = detail::require_strided(*this, "mul_");
  detail::check_writable(*this, "mul_");
  if (detail::is_blocked(*this)) {
    if (detail::is_finite_as(impl.dtype, factor)) {
      detail::make_view(impl.storage, {detail::blocked_size(*this)}, Strides{1}, 0, impl.dtype).mul_(factor);
    } else {
      detail::copy_into(*this, detail::in_format(*this, MemoryFormat::Contiguous).mul_(factor));
    }
    return *this;
  }
  impl.storage->bump_version();
  dispatch_dtype(impl.dtype, "mul_", [&]<class T>() {
    T* first = data<T>();
    const T scale = static_cast<T>(factor);
    strided_loop<1>(impl.shape, {&impl.strides},
                    [&](std::array<std::int64_t, 1> offset, std::array<std::int64_t, 1> step, std::int64_t count) {
                      for (std::int64_t i = 0; i < count; ++i) {
                        T& element = first[offset[0] + i * step[0]];
                        element = static_cast<T>(element * scale);
                      }
                    });
  });
  return *this;
}

}  // namespace coppice
