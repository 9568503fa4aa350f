#pragma once

#include <cstdint>

namespace coppice::cpu {

// Between (n, c, h, w) in row-major order and the blocked layout [⌈n / lanes⌉][h][c][w][lanes]; f32 and f64, parallel.
// Lanes past the last image become 0, and are not read.

template <class T>
void contiguous_to_blocked(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* from, T* to);

template <class T>
void blocked_to_contiguous(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* from, T* to);

}  // namespace coppice::cpu
