#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

enum class GridSampleMode : std::uint8_t { Bilinear, Nearest, Bicubic };
enum class GridSamplePadding : std::uint8_t { Zeros, Border, Reflection };

struct GridSampleOptions {
  GridSampleMode mode = GridSampleMode::Bilinear;
  GridSamplePadding padding_mode = GridSamplePadding::Zeros;
  bool align_corners = false;  ///< ±1 are the centres of the corner pixels, rather than their outer corners
};

/// Images (n, c, h, w) read at the points of a grid (n, h_out, w_out, 2), x before y, in [−1, 1]: (n, c, h_out, w_out).
/// f32 or f64, both of one dtype. Points outside read zeros, the nearest edge pixel, or the mirrored image; a NaN reads
/// outside. Nearest has no gradient by the grid. Definitions are PyTorch's. Deterministic; no double backward.
COPPICE_API Tensor grid_sample(const Tensor& input, const Tensor& grid, GridSampleOptions options = {});

}  // namespace coppice
