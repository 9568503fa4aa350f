#pragma once

#include <cstdint>

namespace coppice::cpu {

enum class SampleMode : std::uint8_t { Bilinear, Nearest, Bicubic };
enum class SamplePadding : std::uint8_t { Zeros, Border, Reflection };

/// Images (batch, channels, height, width) read at points (batch, points, 2) in [−1, 1], x before y.
struct SampleGeometry {
  std::int64_t batch, channels, height, width, points;
  SampleMode mode;
  SamplePadding padding;
  bool align_corners;
};

/// output (batch, channels, points)
template <class T>
void grid_sample(const SampleGeometry& geometry, const T* input, const T* grid, T* output);

/// Gradients; null pointers are not wanted.
template <class T>
void grid_sample_gradients(const SampleGeometry& geometry, const T* input, const T* grid, const T* d_output, T* d_input,
                           T* d_grid);

}  // namespace coppice::cpu
