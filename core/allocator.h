#pragma once

#include <cstddef>
#include <cstdint>

#include <coppice/core/export.h>
#include <coppice/core/intrusive_ptr.h>

namespace coppice {

/// What an allocator holds, in bytes. `current` and `peak` count what tensors asked for, rounded to the size
/// class; `cached` is memory kept for reuse.
struct AllocatorStats {
  std::int64_t current = 0;
  std::int64_t peak = 0;
  std::int64_t cached = 0;
  std::int64_t allocations = 0;         ///< calls of allocate
  std::int64_t system_allocations = 0;  ///< of those, the ones that had to ask the system
};

/// Source of a device's memory. Thread-safe.
class COPPICE_API Allocator : public RefCounted<Allocator> {
 public:
  virtual ~Allocator() = default;
  /// At least `bytes` bytes, aligned to 64; never null. Throws Error when the system has none left.
  virtual void* allocate(std::size_t bytes) = 0;
  /// Gives back what allocate(bytes) returned.
  virtual void deallocate(void* pointer, std::size_t bytes) noexcept = 0;
  virtual AllocatorStats stats() const = 0;
  /// Sets `peak` to `current`.
  virtual void reset_peak() = 0;
  /// Returns cached memory to the system.
  virtual void release_cached() = 0;
};

/// A host allocator that keeps freed blocks by size class (powers of two in four sub-steps).
COPPICE_API IntrusivePtr<Allocator> make_caching_allocator();

/// The host allocator tensors use on this thread: the process-wide one, or that of the innermost AllocatorScope.
COPPICE_API Allocator& cpu_allocator();

/// Makes `allocator` serve this thread's new CPU tensors for the scope's life, so that a run's memory can be
/// counted apart from everything else in the process. Storage keeps its allocator alive.
class COPPICE_API AllocatorScope {
 public:
  explicit AllocatorScope(IntrusivePtr<Allocator> allocator);
  ~AllocatorScope();
  AllocatorScope(const AllocatorScope&) = delete;
  AllocatorScope& operator=(const AllocatorScope&) = delete;

 private:
  IntrusivePtr<Allocator> allocator_;
  Allocator* previous_;
};

}  // namespace coppice
