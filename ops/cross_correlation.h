#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Each channel of input (n, c, h, w) correlated with its own template, kernel (n, c, kh, kw), which comes from the
/// batch: (n, c, h − kh + 1, w − kw + 1). f32 or f64. Differentiable any number of times; deterministic.
/// Source: SiamRPN++ (Li et al., CVPR 2019).
COPPICE_API Tensor xcorr_depthwise(const Tensor& input, const Tensor& kernel);

/// Input (n, c, h, w) correlated with templates kernel (n, o · c, kh, kw), o for each image, summed over channels:
/// (n, o, h − kh + 1, w − kw + 1); o = 1 is SiamFC's score. f32 or f64. Differentiable any number of times.
COPPICE_API Tensor xcorr(const Tensor& input, const Tensor& kernel);

}  // namespace coppice
