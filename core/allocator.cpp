#include <coppice/core/allocator.h>

#include <sys/mman.h>
#include <unistd.h>

#include <array>
#include <bit>
#include <cstdlib>
#include <mutex>
#include <vector>

#include <coppice/core/error.h>

#if defined(__SANITIZE_ADDRESS__)
#include <sanitizer/asan_interface.h>
#endif

namespace coppice {

namespace {

constexpr std::size_t kAlignment = 64;
constexpr std::size_t kHugePage = std::size_t{2} << 20;
constexpr std::size_t kLargestBlock = std::size_t{1} << 46;
constexpr int kFirstExponent = 8;  // below 256 bytes the classes are the multiples of 64
constexpr int kClasses = 4 + (46 - kFirstExponent) * 4;

struct SizeClass {
  int index;
  std::size_t bytes;
};

/// The smallest class that holds `bytes`: 64, 128, 192, 256, then four equal steps within each power of two.
SizeClass size_class(std::size_t bytes) {
  if (bytes <= 256) {
    const std::size_t step = bytes == 0 ? 0 : (bytes - 1) / kAlignment;
    return {static_cast<int>(step), (step + 1) * kAlignment};
  }
  const int exponent = static_cast<int>(std::bit_width(bytes - 1)) - 1;
  const std::size_t base = std::size_t{1} << exponent;
  const int shift = exponent - 2;
  const std::size_t step = (bytes - 1 - base) >> shift;
  return {4 + (exponent - kFirstExponent) * 4 + static_cast<int>(step), base + ((step + 1) << shift)};
}

void* system_allocate(std::size_t bytes) {
  if (bytes < kHugePage) return std::aligned_alloc(kAlignment, bytes);
  // Huge pages need an address aligned to them: map one more and give the ends back.
  const std::size_t mapped = bytes + kHugePage;
  void* raw = ::mmap(nullptr, mapped, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (raw == MAP_FAILED) return nullptr;
  char* first = static_cast<char*>(raw);
  const std::size_t head = (kHugePage - reinterpret_cast<std::uintptr_t>(raw) % kHugePage) % kHugePage;
  if (head != 0) ::munmap(first, head);
  ::munmap(first + head + bytes, kHugePage - head);
  ::madvise(first + head, bytes, MADV_HUGEPAGE);  // advice only: where it is refused, small pages serve
  return first + head;
}

void system_deallocate(void* block, std::size_t bytes) noexcept {
  if (bytes < kHugePage) {
    std::free(block);
  } else {
    ::munmap(block, bytes);
  }
}

/// Under AddressSanitizer the cached blocks, and what a class rounds up, are off limits; elsewhere nothing.
void mark_used([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_UNPOISON_MEMORY_REGION(block, bytes);
#endif
}
void mark_unused([[maybe_unused]] void* block, [[maybe_unused]] std::size_t bytes) noexcept {
#if defined(__SANITIZE_ADDRESS__)
  ASAN_POISON_MEMORY_REGION(block, bytes);
#endif
}

/// One lock and one stack of free blocks per class. The lock is held for a few instructions and also makes `peak`
/// exact, which per-thread caches could not do without an atomic of the same cost.
class CachingAllocator final : public Allocator {
 public:
  ~CachingAllocator() override { release_cached(); }

  void* allocate(std::size_t bytes) override {
    COPPICE_CHECK(bytes <= kLargestBlock, "[allocate] at most ", kLargestBlock, " bytes; got ", bytes);
    const SizeClass wanted = size_class(bytes);
    void* block = take(wanted);
    if (!block) block = grow(wanted, bytes);
    mark_used(block, bytes);
    return block;
  }

  void deallocate(void* pointer, std::size_t bytes) noexcept override {
    const SizeClass freed = size_class(bytes);
    const std::lock_guard lock(mutex_);
    const auto size = static_cast<std::int64_t>(freed.bytes);
    stats_.current -= size;
    try {
      free_[static_cast<std::size_t>(freed.index)].push_back(pointer);
      stats_.cached += size;
      mark_unused(pointer, freed.bytes);
    } catch (...) {  // no room to remember the block
      system_deallocate(pointer, freed.bytes);
    }
  }

  AllocatorStats stats() const override {
    const std::lock_guard lock(mutex_);
    return stats_;
  }

  void reset_peak() override {
    const std::lock_guard lock(mutex_);
    stats_.peak = stats_.current;
  }

  void release_cached() override {
    const std::lock_guard lock(mutex_);
    for (std::size_t index = 0; index < free_.size(); ++index) {
      const std::size_t bytes = class_bytes(static_cast<int>(index));
      for (void* block : free_[index]) {
        mark_used(block, bytes);
        system_deallocate(block, bytes);
      }
      free_[index] = {};
    }
    stats_.cached = 0;
  }

 private:
  static std::size_t class_bytes(int index) {
    if (index < 4) return (static_cast<std::size_t>(index) + 1) * kAlignment;
    const int exponent = kFirstExponent + (index - 4) / 4;
    const auto step = static_cast<std::size_t>((index - 4) % 4);
    return (std::size_t{1} << exponent) + ((step + 1) << (exponent - 2));
  }

  /// A cached block, or null.
  void* take(SizeClass wanted) {
    const std::lock_guard lock(mutex_);
    std::vector<void*>& blocks = free_[static_cast<std::size_t>(wanted.index)];
    if (blocks.empty()) return nullptr;
    void* block = blocks.back();
    blocks.pop_back();
    stats_.cached -= static_cast<std::int64_t>(wanted.bytes);
    count(wanted);
    return block;
  }

  void* grow(SizeClass wanted, std::size_t bytes) {
    void* block = system_allocate(wanted.bytes);
    if (!block) {
      release_cached();
      block = system_allocate(wanted.bytes);
    }
    COPPICE_CHECK(block, "[allocate] the system has no ", bytes, " bytes left; ", stats().current,
                  " are in use by tensors");
    mark_unused(block, wanted.bytes);
    const std::lock_guard lock(mutex_);
    ++stats_.system_allocations;
    count(wanted);
    return block;
  }

  void count(SizeClass taken) {
    ++stats_.allocations;
    stats_.current += static_cast<std::int64_t>(taken.bytes);
    if (stats_.current > stats_.peak) stats_.peak = stats_.current;
  }

  mutable std::mutex mutex_;
  AllocatorStats stats_;
  std::array<std::vector<void*>, kClasses> free_;
};

thread_local Allocator* scoped_allocator = nullptr;

/// Never destroyed: tensors in static objects may outlive every other static.
Allocator& process_allocator() {
  static Allocator& allocator = []() -> Allocator& {
    auto* made = new CachingAllocator;
    made->retain();
    return *made;
  }();
  return allocator;
}

}  // namespace

IntrusivePtr<Allocator> make_caching_allocator() { return IntrusivePtr<Allocator>(new CachingAllocator); }

Allocator& cpu_allocator() { return scoped_allocator ? *scoped_allocator : process_allocator(); }

AllocatorScope::AllocatorScope(IntrusivePtr<Allocator> allocator)
    : allocator_(std::move(allocator)), previous_(scoped_allocator) {
  COPPICE_CHECK(allocator_, "[AllocatorScope] expects an allocator; got null");
  scoped_allocator = allocator_.get();
}

AllocatorScope::~AllocatorScope() { scoped_allocator = previous_; }

}  // namespace coppice
