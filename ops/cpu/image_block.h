#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Elements of type T (f32 or f64) in a vector of the SIMD target in use: the images side by side in the blocked
/// layout.
template <class T>
std::int64_t image_block();

}  // namespace coppice::cpu
