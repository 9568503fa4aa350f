#pragma once

#include <cstddef>

#include <coppice/core/export.h>

namespace coppice {

namespace detail {
COPPICE_API void* pool_allocate(std::size_t bytes);
COPPICE_API void pool_deallocate(void* pointer, std::size_t bytes) noexcept;
}  // namespace detail

/// Base of small objects that come and go by the thousand (tensor handles, storages, graph nodes): each thread keeps
/// a bounded number of freed ones of each size for itself, without a lock. A step's graph is larger than what malloc
/// keeps near at hand.
struct Pooled {
  static void* operator new(std::size_t bytes) { return detail::pool_allocate(bytes); }
  static void operator delete(void* pointer, std::size_t bytes) noexcept { detail::pool_deallocate(pointer, bytes); }
};

}  // namespace coppice
