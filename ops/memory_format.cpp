#include <coppice/ops/memory_format.h>

#include <cstring>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/blocked_convert.h>
#include <coppice/ops/cpu/image_block.h>

namespace coppice {

namespace {

thread_local FormatScope* innermost = nullptr;

void check_images(const Shape& shape, DType dtype, Device device) {
  COPPICE_CHECK(shape.rank() == 4 && (dtype == kFloat32 || dtype == kFloat64) && device.is_cpu(),
                "[to] the blocked format takes float32 or float64 images (n, c, h, w) on the CPU; got ", dtype, " ",
                shape, " on ", device);
}

}  // namespace

FormatScope::FormatScope() : outer_(innermost) { innermost = this; }
FormatScope::~FormatScope() { innermost = outer_; }

void count_conversion(std::int64_t elements) {
  for (FormatScope* scope = innermost; scope != nullptr; scope = scope->outer_) {
    ++scope->conversions_;
    scope->elements_ += elements;
  }
}

std::int64_t image_block(DType dtype) {
  return dispatch_floating(dtype, "image_block", [&]<class T>() { return cpu::image_block<T>(); });
}

namespace detail {

Tensor empty_blocked(const Shape& shape, DType dtype) {
  check_images(shape, dtype, kCpu);
  const std::int64_t block = image_block(dtype);
  const std::int64_t padded = (shape[0] + block - 1) / block * block;
  return make_blocked(
      make_intrusive<Storage>(static_cast<std::size_t>(padded * shape[1] * shape[2] * shape[3]) * size_of(dtype),
                              Device(kCpu)),
      shape, dtype);
}

void copy_blocked(const Tensor& destination, const Tensor& source) {
  const Shape& shape = destination.shape();
  if (is_blocked(destination) && is_blocked(source)) {
    const Storage& from = *source.impl()->storage;
    if (from.bytes() > 0) std::memcpy(destination.impl()->storage->data(), from.data(), from.bytes());
    return;
  }
  count_conversion(destination.numel());
  dispatch_floating(destination.dtype(), "copy_", [&]<class T>() {
    if (is_blocked(destination)) {
      const Tensor from = raw_contiguous(source);
      cpu::contiguous_to_blocked(shape[0], shape[1], shape[2], shape[3], from.data<T>(), blocked_data<T>(destination));
    } else if (destination.is_contiguous()) {
      cpu::blocked_to_contiguous(shape[0], shape[1], shape[2], shape[3], blocked_data<T>(source),
                                 destination.data<T>());
    } else {
      const Tensor dense = Tensor::empty(shape, {.dtype = source.dtype()});
      cpu::blocked_to_contiguous(shape[0], shape[1], shape[2], shape[3], blocked_data<T>(source), dense.data<T>());
      copy_into(destination, dense);
    }
  });
}

Tensor in_format(const Tensor& tensor, MemoryFormat format) {
  const TensorImpl& impl = require_strided(tensor, "to");
  COPPICE_CHECK(format != MemoryFormat::ChannelsLast, "[to] has no conversion to channels_last; got ", impl.shape,
                "; use permute({0, 2, 3, 1}).contiguous()");
  if (impl.format == MemoryFormat::Contiguous && format == MemoryFormat::Contiguous) return raw_contiguous(tensor);
  if (impl.format == format) return detached(tensor);
  if (format == MemoryFormat::Blocked) check_images(impl.shape, impl.dtype, impl.device);
  const Tensor result =
      format == MemoryFormat::Blocked ? empty_blocked(impl.shape, impl.dtype) : Tensor::empty_like(tensor);
  copy_blocked(result, tensor);
  return result;
}

}  // namespace detail

Tensor Tensor::to(MemoryFormat wanted) const {
  const TensorImpl& impl = detail::require_strided(*this, "to");
  if (impl.format == wanted) return *this;
  // A gradient is the same numbers in any order: whoever reads it converts it.
  return record("to", detail::in_format(*this, wanted), {*this}, {},
                [](const Saved&, const Tensor& d_output) { return d_output; });
}

}  // namespace coppice
