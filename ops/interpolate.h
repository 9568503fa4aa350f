#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <coppice/core/tensor.h>

namespace coppice {

enum class InterpolateMode : std::uint8_t { Nearest, NearestExact, Bilinear, Bicubic, Area };

/// Pairs are (height, width). Exactly one of `size` and `scale_factor` is given.
struct InterpolateOptions {
  std::optional<std::array<std::int64_t, 2>> size = {};
  std::optional<std::array<double, 2>> scale_factor = {};
  InterpolateMode mode = InterpolateMode::Nearest;
  bool align_corners = false;           ///< corner pixels' centres, rather than their outer corners, coincide
  bool recompute_scale_factor = false;  ///< positions from the sizes, not from the given scale_factor
  bool antialias = false;               ///< Bilinear and Bicubic: filter over all that an output covers when shrinking
};

/// Images (n, c, h, w), f32 or f64, resized to `size` or to ⌊scale_factor · size⌋. The definitions of positions, of the
/// cubic (a = −0.75; −0.5 with antialias) and of borders (edge pixels repeat) are PyTorch's; positions are computed in
/// the input's dtype. Area is adaptive_avg_pool2d. Differentiable any number of times; deterministic.
COPPICE_API Tensor interpolate(const Tensor& input, const InterpolateOptions& options);

}  // namespace coppice
