#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Whether a result of so many bytes is larger than a last-level cache. It is written past the caches where the kernel
/// can: what is written first would have left them before anyone reads it, and a line that is written whole need not be
/// read from memory before.
inline bool is_streamed(std::int64_t bytes) { return bytes > (std::int64_t{32} << 20); }

}  // namespace coppice::cpu
