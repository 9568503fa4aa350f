#include <coppice/core/tensor.h>

#include <cmath>
#include <cstring>
#include <limits>

#include <coppice/core/backend.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice {

namespace {

bool is_row_major(const Shape& shape, const Strides& strides) {
  std::int64_t expected = 1;
  for (int d = shape.rank() - 1; d >= 0; --d) {
    if (shape[d] != 1 && strides[d] != expected) return false;
    expected *= shape[d];
  }
  return true;
}

Tensor finish(Tensor tensor, bool requires_grad) {
  if (requires_grad) tensor.requires_grad_();
  return tensor;
}

}  // namespace

namespace detail {

TensorImpl& require(const Tensor& tensor) {
  COPPICE_CHECK(tensor.defined(), "[Tensor] expects a defined tensor; got one that was never assigned");
  return *tensor.impl();
}

TensorImpl& require_strided(const Tensor& tensor, const char* op) {
  TensorImpl& impl = require(tensor);
  COPPICE_CHECK(impl.layout == Layout::Strided, "[", op, "] expects a dense tensor; got layout ", impl.layout, " ",
                impl.shape, "; use to_dense()");
  return impl;
}

Strides broadcast_strides(const Shape& shape, const Strides& strides, const Shape& target) {
  Strides result;
  const int added = target.rank() - shape.rank();
  for (int d = 0; d < target.rank(); ++d) {
    const bool repeated = d < added || (shape[d - added] == 1 && target[d] != 1);
    result.push_back(repeated ? 0 : strides[d - added]);
  }
  return result;
}

Tensor make_view(const IntrusivePtr<Storage>& storage, const Shape& shape, const Strides& strides, std::int64_t offset,
                 DType dtype) {
  IntrusivePtr<TensorImpl> impl = make_intrusive<TensorImpl>();
  impl->storage = storage;
  impl->shape = shape;
  impl->strides = strides;
  impl->offset = offset;
  impl->numel = shape.numel();
  impl->dtype = dtype;
  impl->contiguous = is_row_major(shape, strides);
  impl->device = storage->device();
  return Tensor(std::move(impl));
}

Tensor make_blocked(const IntrusivePtr<Storage>& storage, const Shape& shape, DType dtype) {
  IntrusivePtr<TensorImpl> impl = make_intrusive<TensorImpl>();
  impl->storage = storage;
  impl->shape = shape;
  impl->numel = shape.numel();
  impl->dtype = dtype;
  impl->format = MemoryFormat::Blocked;
  impl->contiguous = false;
  impl->device = storage->device();
  return Tensor(std::move(impl));
}

Tensor detached(const Tensor& tensor) {
  const TensorImpl& source = require(tensor);
  IntrusivePtr<TensorImpl> impl = make_intrusive<TensorImpl>();
  impl->storage = source.storage;
  impl->shape = source.shape;
  impl->strides = source.strides;
  impl->offset = source.offset;
  impl->numel = source.numel;
  impl->dtype = source.dtype;
  impl->layout = source.layout;
  impl->format = source.format;
  impl->contiguous = source.contiguous;
  impl->device = source.device;
  impl->weight_state = source.weight_state;
  return Tensor(std::move(impl));
}

std::int64_t blocked_size(const Tensor& tensor) {
  const TensorImpl& impl = require(tensor);
  return static_cast<std::int64_t>(impl.storage->bytes() / size_of(impl.dtype));
}

bool is_finite_as(DType dtype, double factor) {
  return std::abs(factor) <= (dtype == kFloat32 ? static_cast<double>(std::numeric_limits<float>::max())
                                                : std::numeric_limits<double>::max());
}

void check_element_type(const Tensor& tensor, DType wanted) {
  const TensorImpl& impl = require_strided(tensor, "data");
  COPPICE_CHECK(impl.format != MemoryFormat::Blocked, "[data] a blocked tensor has padded elements; got ", impl.shape,
                "; convert with contiguous()");
  COPPICE_CHECK(impl.dtype == wanted, "[data] expects the tensor's own element type ", impl.dtype, "; got ", wanted,
                " for ", impl.shape, "; cast with to()");
  COPPICE_CHECK(impl.device.is_cpu(), "[data] expects a CPU tensor; got ", impl.device, "; copy with to(kCpu)");
}

}  // namespace detail

TensorImpl::~TensorImpl() = default;

Tensor::Tensor(IntrusivePtr<TensorImpl> impl) : impl_(std::move(impl)) {}

// --- making tensors

Tensor Tensor::empty(const Shape& shape, TensorOptions options) {
  IntrusivePtr<TensorImpl> impl = make_intrusive<TensorImpl>();
  impl->shape = shape;
  impl->strides = contiguous_strides(shape);
  impl->numel = shape.numel();
  impl->dtype = options.dtype;
  impl->device = options.device;
  impl->storage =
      make_intrusive<Storage>(static_cast<std::size_t>(impl->numel) * size_of(options.dtype), options.device);
  return finish(Tensor(std::move(impl)), options.requires_grad);
}

Tensor Tensor::zeros(const Shape& shape, TensorOptions options) {
  const Tensor result = empty(shape, {.dtype = options.dtype, .device = options.device});
  backend(options.device.type).fill_zero(result.raw_data(), options.device, static_cast<std::size_t>(result.nbytes()));
  return finish(result, options.requires_grad);
}

Tensor Tensor::ones(const Shape& shape, TensorOptions options) { return full(shape, 1.0, options); }

Tensor Tensor::full(const Shape& shape, double value, TensorOptions options) {
  Tensor result = empty(shape, {.dtype = options.dtype, .device = options.device});
  result.fill_(value);
  return finish(result, options.requires_grad);
}

Tensor Tensor::arange(std::int64_t count, TensorOptions options) {
  COPPICE_CHECK(count >= 0, "[arange] expects a count of at least 0; got ", count);
  const Tensor result = empty({count}, {.dtype = kInt64});
  std::int64_t* element = result.data<std::int64_t>();
  for (std::int64_t i = 0; i < count; ++i) element[i] = i;
  return finish(detail::raw_cast(result, options.dtype).to(options.device), options.requires_grad);
}

Tensor Tensor::eye(std::int64_t n, TensorOptions options) {
  Tensor result = zeros({n, n}, {.dtype = options.dtype, .device = options.device});
  Tensor diagonal = detail::make_view(result.impl()->storage, {n}, Strides{n + 1}, 0, options.dtype);
  diagonal.fill_(1.0);
  return finish(result, options.requires_grad);
}

namespace {

template <class Draw>
Tensor filled_by(const Shape& shape, TensorOptions options, DType drawn_as, Draw draw) {
  const Tensor result = Tensor::empty(shape, {.dtype = drawn_as});
  dispatch_dtype(drawn_as, "rand", [&]<class T>() {
    T* element = result.data<T>();
    for (std::int64_t i = 0; i < result.numel(); ++i) element[i] = static_cast<T>(draw());
  });
  return finish(detail::raw_cast(result, options.dtype).to(options.device), options.requires_grad);
}

}  // namespace

Tensor Tensor::rand(const Shape& shape, Generator& generator, TensorOptions options) {
  COPPICE_CHECK(is_floating(options.dtype), "[rand] expects a floating dtype; got ", options.dtype);
  if (options.dtype == kFloat64) {
    return filled_by(shape, options, kFloat64, [&] { return generator.uniform_double(); });
  }
  return filled_by(shape, options, kFloat32, [&] { return generator.uniform(); });
}

Tensor Tensor::randn(const Shape& shape, Generator& generator, TensorOptions options) {
  COPPICE_CHECK(is_floating(options.dtype), "[randn] expects a floating dtype; got ", options.dtype);
  return filled_by(shape, options, options.dtype == kFloat64 ? kFloat64 : kFloat32, [&] { return generator.normal(); });
}

Tensor Tensor::randint(std::int64_t low, std::int64_t high, const Shape& shape, Generator& generator,
                       TensorOptions options) {
  COPPICE_CHECK(low < high, "[randint] expects low < high; got [", low, ", ", high, ")");
  const auto range = static_cast<std::uint64_t>(high) - static_cast<std::uint64_t>(low);
  return filled_by(shape, options, kInt64,
                   [&] { return static_cast<std::int64_t>(static_cast<std::uint64_t>(low) + generator.below(range)); });
}

Tensor Tensor::from_blob(void* data, const Shape& shape, const Strides& strides, DType dtype,
                         std::function<void(void*)> deleter, Device device) {
  COPPICE_CHECK(strides.rank() == shape.rank(), "[from_blob] expects one stride per dimension; got shape ", shape,
                ", strides ", strides);
  COPPICE_CHECK(data != nullptr || shape.numel() == 0, "[from_blob] expects memory for ", shape,
                "; got a null pointer");
  std::int64_t extent = shape.numel() == 0 ? 0 : 1;
  for (int d = 0; d < shape.rank() && extent > 0; ++d) {
    COPPICE_CHECK(strides[d] >= 0, "[from_blob] expects strides of at least 0; got ", strides);
    extent += (shape[d] - 1) * strides[d];
  }
  const auto storage =
      make_intrusive<Storage>(data, static_cast<std::size_t>(extent) * size_of(dtype), device, std::move(deleter));
  return detail::make_view(storage, shape, strides, 0, dtype);
}

Tensor Tensor::from_blob(void* data, const Shape& shape, DType dtype, std::function<void(void*)> deleter,
                         Device device) {
  return from_blob(data, shape, contiguous_strides(shape), dtype, std::move(deleter), device);
}

Tensor Tensor::empty_like(const Tensor& other) {
  return empty(other.shape(), {.dtype = other.dtype(), .device = other.device()});
}
Tensor Tensor::zeros_like(const Tensor& other) {
  return zeros(other.shape(), {.dtype = other.dtype(), .device = other.device()});
}
Tensor Tensor::ones_like(const Tensor& other) {
  return ones(other.shape(), {.dtype = other.dtype(), .device = other.device()});
}

// --- what it is

const Shape& Tensor::shape() const { return detail::require(*this).shape; }
std::int64_t Tensor::size(int dim) const {
  const Shape& sizes = shape();
  COPPICE_CHECK(sizes.rank() > 0, "[size] expects a tensor with dimensions; got a scalar");
  return sizes[normalize_dim(dim, sizes.rank(), "size")];
}
int Tensor::dim() const { return shape().rank(); }
std::int64_t Tensor::numel() const { return detail::require(*this).numel; }
DType Tensor::dtype() const { return detail::require(*this).dtype; }
Device Tensor::device() const { return detail::require(*this).device; }
Layout Tensor::layout() const { return detail::require(*this).layout; }
MemoryFormat Tensor::memory_format() const { return detail::require(*this).format; }
const Strides& Tensor::strides() const {
  const TensorImpl& impl = detail::require_strided(*this, "strides");
  COPPICE_CHECK(impl.format != MemoryFormat::Blocked, "[strides] a blocked tensor has none; got ", impl.shape,
                "; convert with contiguous()");
  return impl.strides;
}
std::int64_t Tensor::storage_offset() const { return detail::require_strided(*this, "storage_offset").offset; }
bool Tensor::is_contiguous() const { return detail::require_strided(*this, "is_contiguous").contiguous; }
std::int64_t Tensor::nbytes() const {
  const TensorImpl& impl = detail::require(*this);
  if (impl.layout == Layout::Masked) return impl.weight_state->values().nbytes();
  return impl.numel * static_cast<std::int64_t>(size_of(impl.dtype));
}

// --- elements

void* Tensor::raw_data() const {
  const TensorImpl& impl = detail::require_strided(*this, "raw_data");
  COPPICE_CHECK(impl.format != MemoryFormat::Blocked, "[raw_data] a blocked tensor has padded elements; got ",
                impl.shape, "; convert with contiguous()");
  return static_cast<std::byte*>(impl.storage->data()) + static_cast<std::size_t>(impl.offset) * size_of(impl.dtype);
}

std::uint64_t Tensor::version() const {
  const TensorImpl& impl = detail::require(*this);
  return impl.layout == Layout::Masked ? impl.weight_state->value_version() : impl.storage->version();
}

Tensor Tensor::to_dense() const {
  if (detail::require(*this).layout == Layout::Masked) return weight_state().to_dense();
  const Tensor result = empty_like(*this);
  detail::copy_into(result, *this);
  return result;
}

bool bit_equal(const Tensor& a, const Tensor& b) {
  if (a.dtype() != b.dtype() || a.shape() != b.shape()) return false;
  const Tensor first = detail::to_host(a, a.dtype());
  const Tensor second = detail::to_host(b, b.dtype());
  return first.numel() == 0 ||
         std::memcmp(first.raw_data(), second.raw_data(), static_cast<std::size_t>(first.nbytes())) == 0;
}

}  // namespace coppice
