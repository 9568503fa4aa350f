#pragma once

#include <cstdint>

namespace coppice::fuzz {

/// Counts what every library of this process takes by malloc and its relatives. Under a sanitizer, which has an
/// allocator of its own, it counts nothing.
std::int64_t heap_bytes();
/// The most there was since reset_heap_peak().
std::int64_t heap_peak();
void reset_heap_peak();

}  // namespace coppice::fuzz
