#pragma once

#include <memory>

#include <coppice/core/pooled.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// What core knows of a tensor's history: that it must be kept alive and freed. autograd/ derives from it.
struct COPPICE_API AutogradMeta : RefCounted<AutogradMeta>, Pooled {
  virtual ~AutogradMeta() = default;
};

/// What a Tensor handle points to.
struct COPPICE_API TensorImpl : RefCounted<TensorImpl>, Pooled {
  IntrusivePtr<Storage> storage;  // null for Masked
  Shape shape;
  Strides strides;
  std::int64_t offset = 0;
  std::int64_t numel = 0;
  DType dtype = kFloat32;
  Layout layout = Layout::Strided;
  MemoryFormat format = MemoryFormat::Contiguous;
  bool contiguous = true;
  Device device;
  IntrusivePtr<AutogradMeta> autograd;
  std::shared_ptr<WeightState> weight_state;

  TensorImpl() {}  // not defaulted: `new TensorImpl()` would then clear the whole object before initialising it
  ~TensorImpl();
};

namespace detail {
/// The strides with which a tensor is read at a shape it broadcasts to.
COPPICE_API Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& target);
/// The implementation, or an Error for an undefined tensor.
COPPICE_API TensorImpl& require(const Tensor& tensor);
/// As require, and an Error unless the tensor is dense (`[op] expects a dense tensor …`).
COPPICE_API TensorImpl& require_strided(const Tensor& tensor, const char* op);
inline bool is_blocked(const Tensor& tensor) {
  return tensor.defined() && tensor.impl()->format == MemoryFormat::Blocked;
}
/// Uninitialised images (n, c, h, w), f32 or f64, in the Blocked format (defined in ops/).
COPPICE_API Tensor empty_blocked(const Shape& shape, DType dtype);
/// A Blocked tensor on existing storage, without history.
COPPICE_API Tensor make_blocked(const IntrusivePtr<Storage>& storage, const Shape& shape, DType dtype);
/// The tensor without history in that format: itself, or a counted conversion (defined in ops/).
COPPICE_API Tensor in_format(const Tensor& tensor, MemoryFormat format);
/// Copies between tensors of one shape and dtype of which one or both are Blocked (defined in ops/).
COPPICE_API void copy_blocked(const Tensor& destination, const Tensor& source);
/// The elements of a Blocked tensor, padding included.
COPPICE_API std::int64_t blocked_size(const Tensor& tensor);
/// Whether `factor` is finite as an element of `dtype` (f32 or f64): only then does padding stay 0 in a product.
COPPICE_API bool is_finite_as(DType dtype, double factor);
template <class T>
T* blocked_data(const Tensor& tensor) {
  return static_cast<T*>(tensor.impl()->storage->data());
}
/// A tensor on existing storage, without history.
COPPICE_API Tensor make_view(const IntrusivePtr<Storage>& storage, const Shape& shape, const Strides& strides,
                             std::int64_t offset, DType dtype);
/// Throws where writing `tensor` in place would falsify recorded history (defined in autograd/).
COPPICE_API void check_writable(const Tensor& tensor, const char* op);
/// Throws where `source` would have to be recorded as what an in-place write reads (defined in autograd/).
COPPICE_API void check_constant(const Tensor& source, const char* op);
/// As Tensor's in-place methods, without that check: for the engine, optimisers and kernels.
COPPICE_API void copy_into(const Tensor& destination, const Tensor& source);
COPPICE_API void add_into(const Tensor& destination, const Tensor& source, double alpha);
COPPICE_API Tensor detached(const Tensor& tensor);
COPPICE_API Tensor raw_contiguous(const Tensor& tensor);
COPPICE_API Tensor raw_cast(const Tensor& tensor, DType dtype);
}  // namespace detail

}  // namespace coppice
