#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Precise RoI pooling: the mean of the bilinearly interpolated features over each bin, as an exact integral. Features
/// (n, c, h, w), zero outside, and boxes (k, 5), rows (image, x1, y1, x2, y2), times `spatial_scale`, give (k, c,
/// output_size); a bin without area gives 0. f32 or f64, both of one dtype. Differentiable by the features and by the
/// boxes' corners; deterministic; no double backward. Source: Jiang et al., IoU-Net, ECCV 2018.
COPPICE_API Tensor precise_roi_pool(const Tensor& input, const Tensor& boxes, std::array<std::int64_t, 2> output_size,
                                    double spatial_scale = 1.0);

}  // namespace coppice
