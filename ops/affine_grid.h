#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

struct AffineGridOptions {
  bool align_corners = false;  ///< as grid_sample's
};

/// The points (n, h, w, 2) that the affine maps theta (n, 2, 3) give the pixels of images of shape `size` (n, c, h, w),
/// both in grid_sample's coordinates. f32 or f64. Differentiable any number of times.
COPPICE_API Tensor affine_grid(const Tensor& theta, const Shape& size, AffineGridOptions options = {});

}  // namespace coppice
