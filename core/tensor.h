#pragma once

#include <cstdint>
#include <functional>
#include <initializer_list>
#include <iosfwd>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include <coppice/core/device.h>
#include <coppice/core/dtype.h>
#include <coppice/core/error.h>
#include <coppice/core/export.h>
#include <coppice/core/intrusive_ptr.h>
#include <coppice/core/shape.h>
#include <coppice/core/storage.h>

namespace coppice {

class Generator;
class Mask;
class WeightState;
struct AutogradMeta;
struct TensorImpl;

/// How a tensor's elements are represented. Strided is the ordinary dense tensor; Masked is a trainable sparse
/// weight (core/weight_state.h); the others name sparse formats that later ops read.
enum class Layout : std::uint8_t { Strided, Masked, Csr, Bsr, Nm };

/// The order of a dense tensor's elements.
///
/// Blocked is the layout of image batches in which convolutions are fastest: (n, c, h, w) lies as
/// [⌈n / b⌉][h][c][w][b], b images side by side (image_block), zeros in the places of images past the last. It has no
/// strides and no views; ops without a kernel for it read a contiguous copy. See docs/architecture.md.
enum class MemoryFormat : std::uint8_t { Contiguous, ChannelsLast, Blocked };

struct TensorOptions {
  DType dtype = kFloat32;
  Device device = kCpu;
  bool requires_grad = false;
};

/// A handle on an n-dimensional array; copies share the elements.
///
/// Methods named as in PyTorch mean what they mean there. Views (`view`, `permute`, `slice` …) share storage and are
/// differentiable; names that end in `_` write in place, which throws on a tensor that autograd is recording.
class COPPICE_API Tensor {
 public:
  /// An undefined tensor; only defined() and assignment are allowed.
  Tensor() = default;
  explicit Tensor(IntrusivePtr<TensorImpl> impl);

  // --- making tensors
  static Tensor empty(const Shape& shape, TensorOptions options = {});
  static Tensor zeros(const Shape& shape, TensorOptions options = {});
  static Tensor ones(const Shape& shape, TensorOptions options = {});
  static Tensor full(const Shape& shape, double value, TensorOptions options = {});
  /// 0, 1, …, count-1.
  static Tensor arange(std::int64_t count, TensorOptions options = {.dtype = kInt64});
  /// The n × n identity.
  static Tensor eye(std::int64_t n, TensorOptions options = {});
  /// Uniform in [0, 1).
  static Tensor rand(const Shape& shape, Generator& generator, TensorOptions options = {});
  /// Standard normal.
  static Tensor randn(const Shape& shape, Generator& generator, TensorOptions options = {});
  /// Uniform integers in [low, high).
  static Tensor randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator,
                        TensorOptions options = {.dtype = kInt64});
  /// A copy of `values`, one-dimensional unless a shape is given.
  template <class T>
  static Tensor of(std::initializer_list<T> values, std::optional<Shape> shape = {}, TensorOptions options = {});
  template <class T>
  static Tensor of(const std::vector<T>& values, std::optional<Shape> shape = {}, TensorOptions options = {});
  /// Wraps memory the caller owns, without a copy. `deleter(data)` runs when the last tensor on it is gone; empty:
  /// never.
  static Tensor from_blob(void* data, const Shape& shape, const Strides& strides, DType dtype,
                          std::function<void(void*)> deleter = {}, Device device = kCpu);
  static Tensor from_blob(void* data, const Shape& shape, DType dtype, std::function<void(void*)> deleter = {},
                          Device device = kCpu);
  static Tensor empty_like(const Tensor& other);
  static Tensor zeros_like(const Tensor& other);
  static Tensor ones_like(const Tensor& other);

  // --- what it is
  bool defined() const { return static_cast<bool>(impl_); }
  const Shape& shape() const;
  std::int64_t size(int dim) const;
  int dim() const;
  std::int64_t numel() const;
  DType dtype() const;
  Device device() const;
  Layout layout() const;
  MemoryFormat memory_format() const;
  bool is_masked() const { return layout() == Layout::Masked; }
  const Strides& strides() const;
  std::int64_t storage_offset() const;
  bool is_contiguous() const;
  /// Bytes of the elements (numel × element size); of a Masked tensor, of its stored values.
  std::int64_t nbytes() const;

  // --- elements
  /// The first element. Throws unless T is the tensor's element type and the tensor is dense, not Blocked, and on the
  /// CPU.
  template <class T>
  T* data() const;
  /// The first element, untyped.
  void* raw_data() const;
  /// The only element, converted to T. Throws unless numel() is 1.
  template <class T>
  T item() const;
  /// All elements in row-major order, converted to T.
  template <class T>
  std::vector<T> to_vector() const;

  // --- views and copies (differentiable; defined in ops/view.cpp)
  Tensor view(const Dims& shape) const;     ///< throws where a copy would be needed; one size may be -1
  Tensor reshape(const Dims& shape) const;  ///< a view where possible, else a copy; one size may be -1
  Tensor flatten(int start_dim = 0, int end_dim = -1) const;
  Tensor permute(const Dims& order) const;
  Tensor transpose(int dim0, int dim1) const;
  Tensor t() const;  ///< transpose of a matrix
  Tensor unsqueeze(int dim) const;
  Tensor squeeze(int dim) const;
  Tensor expand(const Shape& shape) const;  ///< broadcasting view, stride 0 along expanded dimensions
  Tensor slice(int dim, std::int64_t start, std::int64_t end, std::int64_t step = 1) const;
  Tensor narrow(int dim, std::int64_t start, std::int64_t length) const;
  Tensor select(int dim, std::int64_t index) const;
  Tensor contiguous() const;
  Tensor clone() const;
  Tensor to(DType dtype) const;
  Tensor to(Device device) const;
  /// The same elements in that order: this tensor where it has it. Blocked takes f32 or f64 (n, c, h, w) on the CPU.
  Tensor to(MemoryFormat format) const;

  // --- in place
  Tensor& copy_(const Tensor& source);
  Tensor& fill_(double value);
  Tensor& zero_();
  Tensor& add_(const Tensor& other, double alpha = 1.0);
  Tensor& mul_(double factor);
  std::uint64_t version() const;

  // --- autograd (defined in autograd/tensor_autograd.cpp)
  bool requires_grad() const;
  Tensor& requires_grad_(bool value = true);
  bool is_leaf() const;
  /// The accumulated gradient; undefined before the first backward. Of a Masked weight: see WeightState::gradient_kind.
  Tensor grad() const;
  void set_grad(const Tensor& grad) const;
  /// The same elements without history.
  Tensor detach() const;
  /// Back-propagates from this tensor; `gradient` defaults to 1 for a scalar.
  void backward(const Tensor& gradient = {}) const;
  /// Calls hook(gradient) when this tensor's gradient has been computed; a defined result replaces it.
  void register_hook(std::function<Tensor(const Tensor&)> hook) const;

  // --- Masked layout (core/weight_state.h)
  /// A trainable sparse weight with the values of `dense` where `alive` is set.
  static Tensor masked(const Tensor& dense, const Mask& alive);
  /// The state of a Masked tensor; throws on other layouts.
  WeightState& weight_state() const;
  /// A dense copy without history (of a Masked tensor: zeros where not alive).
  Tensor to_dense() const;

  /// Shape, dtype and up to `edge_items` elements at each end of every dimension.
  std::string to_string(int edge_items = 3) const;

  TensorImpl* impl() const { return impl_.get(); }
  const IntrusivePtr<TensorImpl>& impl_ptr() const { return impl_; }
  /// Whether both handles name the same tensor.
  bool is_same(const Tensor& other) const { return impl_ == other.impl_; }

 private:
  IntrusivePtr<TensorImpl> impl_;
};

COPPICE_API std::ostream& operator<<(std::ostream& out, const Tensor& tensor);
COPPICE_API std::ostream& operator<<(std::ostream& out, Layout layout);
COPPICE_API std::ostream& operator<<(std::ostream& out, MemoryFormat format);

/// Same dtype, shape and bits (NaN equals NaN of the same bits).
COPPICE_API bool bit_equal(const Tensor& a, const Tensor& b);

}  // namespace coppice

#include <coppice/core/tensor_impl.h>  // copying a handle counts references
#include <coppice/core/tensor_inl.h>
