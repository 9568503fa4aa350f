#include <coppice/core/pooled.h>

#include <array>
#include <cstdint>
#include <new>

namespace coppice::detail {
namespace {

#if defined(__SANITIZE_ADDRESS__)
constexpr bool kKeep = false;  // every object comes from the system, so that its misuse is seen
#else
constexpr bool kKeep = true;
#endif
constexpr std::size_t kLargest = 512;
constexpr std::size_t kStep = 32;
constexpr std::uint32_t kKept = 1024;  // per size: at most 4.3 MB a thread

struct Block {
  Block* next;
};

/// Freed blocks of one size. Trivially destructible, so that objects which outlive a thread's other variables can still
/// be freed through it.
struct List {
  Block* first = nullptr;
  std::uint32_t count = 0;
};

thread_local std::array<List, kLargest / kStep> lists;
thread_local bool closed = false;

/// Returns a thread's blocks when it ends.
struct Closer {
  ~Closer() {
    closed = true;
    for (List& list : lists) {
      while (list.first) {
        Block* block = list.first;
        list.first = block->next;
        ::operator delete(block);
      }
    }
  }
};

std::size_t list_of(std::size_t bytes) { return (bytes - 1) / kStep; }

}  // namespace

void* pool_allocate(std::size_t bytes) {
  if (!kKeep || bytes > kLargest) return ::operator new(bytes);
  List& list = lists[list_of(bytes)];
  if (!list.first) [[unlikely]]
    return ::operator new((list_of(bytes) + 1) * kStep);
  Block* block = list.first;
  list.first = block->next;
  --list.count;
  return block;
}

void pool_deallocate(void* pointer, std::size_t bytes) noexcept {
  if (!kKeep || bytes > kLargest) return ::operator delete(pointer);
  List& list = lists[list_of(bytes)];
  if (list.count >= kKept || closed) [[unlikely]]
    return ::operator delete(pointer);
  if (list.count == 0) [[unlikely]] {
    thread_local Closer closer;
    static_cast<void>(&closer);
  }
  list.first = ::new (pointer) Block{list.first};
  ++list.count;
}

}  // namespace coppice::detail
