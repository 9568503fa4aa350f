#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <functional>

#include <coppice/core/allocator.h>
#include <coppice/core/device.h>
#include <coppice/core/export.h>
#include <coppice/core/intrusive_ptr.h>
#include <coppice/core/pooled.h>

namespace coppice {

/// A block of bytes shared by the tensors that view it, with the version counter that autograd checks.
class COPPICE_API Storage : public RefCounted<Storage>, public Pooled {
 public:
  /// `bytes` uninitialised bytes of `device`.
  Storage(std::size_t bytes, Device device);
  /// Foreign memory, given back through `deleter` (which may be empty).
  Storage(void* data, std::size_t bytes, Device device, std::function<void(void*)> deleter);
  ~Storage();

  void* data() const { return data_; }
  std::size_t bytes() const { return bytes_; }
  Device device() const { return device_; }

  /// Counts in-place writes.
  std::uint64_t version() const { return version_.load(std::memory_order_relaxed); }
  void bump_version() { version_.fetch_add(1, std::memory_order_relaxed); }

 private:
  void* data_ = nullptr;
  std::size_t bytes_ = 0;
  Device device_;
  std::atomic<std::uint64_t> version_{0};
  IntrusivePtr<Allocator> allocator_;
  std::function<void(void*)> deleter_;
};

/// A typed array in the library's accounted memory, for index structures: movable, uninitialised.
template <class T>
class Buffer {
 public:
  Buffer() = default;
  explicit Buffer(std::int64_t size, Device device = kCpu)
      : storage_(make_intrusive<Storage>(static_cast<std::size_t>(size) * sizeof(T), device)), size_(size) {}

  T* data() const { return storage_ ? static_cast<T*>(storage_->data()) : nullptr; }
  std::int64_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  T& operator[](std::int64_t index) { return data()[index]; }
  const T& operator[](std::int64_t index) const { return data()[index]; }
  T* begin() const { return data(); }
  T* end() const { return data() + size_; }
  std::int64_t bytes() const { return size_ * static_cast<std::int64_t>(sizeof(T)); }

 private:
  IntrusivePtr<Storage> storage_;
  std::int64_t size_ = 0;
};

}  // namespace coppice
