#pragma once

#include <atomic>
#include <cstdint>
#include <utility>

namespace coppice {

/// Base of objects that carry their own reference count. `Derived` may hide `destroy()` to say how
/// its last reference is dropped (autograd nodes do, so that long chains are freed without recursion).
template <class Derived>
class RefCounted {
 public:
  RefCounted() = default;
  RefCounted(const RefCounted&) = delete;
  RefCounted& operator=(const RefCounted&) = delete;

  void retain() const noexcept { count_.fetch_add(1, std::memory_order_relaxed); }
  /// The first retain of an object that no other thread has seen: without a locked instruction.
  void retain_new() const noexcept { count_.store(1, std::memory_order_relaxed); }
  void release() const noexcept {
    // A sole owner cannot gain company, so it need not count down: this spares most objects a locked instruction.
    if (count_.load(std::memory_order_acquire) == 1 || count_.fetch_sub(1, std::memory_order_acq_rel) == 1) {
      static_cast<Derived*>(const_cast<RefCounted*>(this))->destroy();
    }
  }
  std::int64_t use_count() const noexcept { return count_.load(std::memory_order_acquire); }

 protected:
  ~RefCounted() = default;
  void destroy() noexcept { delete static_cast<Derived*>(this); }

 private:
  mutable std::atomic<std::int64_t> count_{0};
};

/// Owning pointer to a RefCounted object; one word, one atomic per copy.
template <class T>
class IntrusivePtr {
 public:
  IntrusivePtr() = default;
  IntrusivePtr(std::nullptr_t) {}
  explicit IntrusivePtr(T* object) : object_(object) {
    if (object_) object_->retain();
  }
  /// The first pointer to a new object.
  static IntrusivePtr adopt(T* object) {
    object->retain_new();
    IntrusivePtr pointer;
    pointer.object_ = object;
    return pointer;
  }
  IntrusivePtr(const IntrusivePtr& other) : IntrusivePtr(other.object_) {}
  IntrusivePtr(IntrusivePtr&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  template <class U>
  requires std::is_convertible_v<U*, T*> IntrusivePtr(const IntrusivePtr<U>& other) : IntrusivePtr(other.get()) {}
  IntrusivePtr& operator=(IntrusivePtr other) noexcept {
    std::swap(object_, other.object_);
    return *this;
  }
  ~IntrusivePtr() {
    if (object_) object_->release();
  }

  T* get() const noexcept { return object_; }
  T& operator*() const noexcept { return *object_; }
  T* operator->() const noexcept { return object_; }
  explicit operator bool() const noexcept { return object_ != nullptr; }
  friend bool operator==(const IntrusivePtr& a, const IntrusivePtr& b) { return a.object_ == b.object_; }

 private:
  T* object_ = nullptr;
};

template <class T, class... Args>
IntrusivePtr<T> make_intrusive(Args&&... args) {
  return IntrusivePtr<T>::adopt(new T(std::forward<Args>(args)...));
}

}  // namespace coppice
