#pragma once

// Templates of core/tensor.h.

namespace coppice {

namespace detail {
COPPICE_API void check_element_type(const Tensor& tensor, DType wanted);
COPPICE_API double scalar_as_double(const Tensor& tensor);
COPPICE_API std::int64_t scalar_as_int64(const Tensor& tensor);
COPPICE_API Tensor copy_from_host(const void* values, std::int64_t count, DType dtype,
                                  const std::optional<Shape>& shape, Device device);
/// A contiguous CPU copy in `dtype`, without history.
COPPICE_API Tensor to_host(const Tensor& tensor, DType dtype);
}  // namespace detail

template <class T>
T* Tensor::data() const {
  detail::check_element_type(*this, dtype_of<std::remove_const_t<T>>());
  return static_cast<T*>(raw_data());
}

template <class T>
T Tensor::item() const {
  if constexpr (std::is_integral_v<T>) {
    if (!is_floating(dtype())) return static_cast<T>(detail::scalar_as_int64(*this));
  }
  return static_cast<T>(detail::scalar_as_double(*this));
}

template <class T>
std::vector<T> Tensor::to_vector() const {
  const Tensor host = detail::to_host(*this, dtype_of<T>());
  const T* first = host.data<T>();
  return std::vector<T>(first, first + host.numel());
}

template <class T>
Tensor Tensor::of(const std::vector<T>& values, std::optional<Shape> shape, TensorOptions options) {
  Tensor result;
  if constexpr (std::is_same_v<T, bool>) {
    const std::vector<std::uint8_t> bytes(values.begin(), values.end());
    result =
        detail::copy_from_host(bytes.data(), static_cast<std::int64_t>(bytes.size()), kBool, shape, options.device);
  } else {
    result = detail::copy_from_host(values.data(), static_cast<std::int64_t>(values.size()), dtype_of<T>(), shape,
                                    options.device);
  }
  if (options.requires_grad) result.requires_grad_();
  return result;
}

template <class T>
Tensor Tensor::of(std::initializer_list<T> values, std::optional<Shape> shape, TensorOptions options) {
  return of(std::vector<T>(values), shape, options);
}

}  // namespace coppice
