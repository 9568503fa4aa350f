#include "tests/fuzz/heap_count.h"

#include <malloc.h>

#include <atomic>
#include <cerrno>
#include <cstddef>

namespace {

std::atomic<std::int64_t> current{0};
std::atomic<std::int64_t> peak{0};

}  // namespace

namespace coppice::fuzz {

std::int64_t heap_bytes() { return current; }
std::int64_t heap_peak() { return peak; }
void reset_heap_peak() { peak = current.load(); }

}  // namespace coppice::fuzz

#if !COPPICE_FUZZ_SANITIZED && defined(__GLIBC__)

namespace {

void* count(void* block) noexcept {
  const auto bytes = static_cast<std::int64_t>(malloc_usable_size(block));
  const std::int64_t now = current.fetch_add(bytes, std::memory_order_relaxed) + bytes;
  std::int64_t most = peak.load(std::memory_order_relaxed);
  while (now > most && !peak.compare_exchange_weak(most, now, std::memory_order_relaxed)) {
  }
  return block;
}

void forget(void* block) noexcept {
  current.fetch_sub(static_cast<std::int64_t>(malloc_usable_size(block)), std::memory_order_relaxed);
}

}  // namespace

// A program's own definitions serve shared libraries too (glibc manual, "Replacing malloc").
extern "C" {

void* __libc_malloc(std::size_t bytes);
void* __libc_calloc(std::size_t count, std::size_t bytes);
void* __libc_realloc(void* block, std::size_t bytes);
void* __libc_memalign(std::size_t alignment, std::size_t bytes);
void __libc_free(void* block);

void* malloc(std::size_t bytes) noexcept { return count(__libc_malloc(bytes)); }
void* calloc(std::size_t number, std::size_t bytes) noexcept { return count(__libc_calloc(number, bytes)); }
void* realloc(void* block, std::size_t bytes) noexcept {
  const auto before = static_cast<std::int64_t>(malloc_usable_size(block));
  void* moved = __libc_realloc(block, bytes);
  if (moved || bytes == 0) current.fetch_sub(before, std::memory_order_relaxed);
  return count(moved);
}
void* memalign(std::size_t alignment, std::size_t bytes) noexcept { return count(__libc_memalign(alignment, bytes)); }
void* aligned_alloc(std::size_t alignment, std::size_t bytes) noexcept {
  return count(__libc_memalign(alignment, bytes));
}
int posix_memalign(void** block, std::size_t alignment, std::size_t bytes) noexcept {
  *block = count(__libc_memalign(alignment, bytes));
  return *block ? 0 : ENOMEM;
}
void free(void* block) noexcept {
  forget(block);
  __libc_free(block);
}

}  // extern "C"

#endif
