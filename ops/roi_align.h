#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

struct RoiAlignOptions {
  double spatial_scale = 1.0;       ///< feature-map pixels per unit of a box
  std::int64_t sampling_ratio = 0;  ///< samples per bin and axis; 0 or less: ⌈size of the bin⌉
  bool aligned = false;             ///< shift boxes by half a pixel, so that pixels are centred on their samples
};

/// Means of bilinear samples over the bins of boxes: features (n, c, h, w) and boxes (k, 5), rows (image, x1, y1, x2,
/// y2), give (k, c, output_size). f32 or f64, both of one dtype. Differentiable by the features, any number of times,
/// not by the boxes; deterministic. Semantics are torchvision's. Source: He et al., Mask R-CNN, ICCV 2017.
COPPICE_API Tensor roi_align(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                             const RoiAlignOptions& options = {});

}  // namespace coppice
