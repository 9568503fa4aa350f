#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

struct LocalCorrelationOptions {
  std::int64_t max_displacement = 4;  ///< pixels, in each direction
  std::int64_t step = 1;              ///< between displacements
};

/// Matching costs of each pixel of `a` (n, c, h, w) with the pixels of `b`, of the same shape, around it: (n, d², h,
/// w), d = 2 · ⌊max_displacement / step⌋ + 1, channel i · d + j for the displacement (i, j) − ⌊d / 2⌋ times step, y
/// before x. A cost is the mean over channels of the products; outside `b` is 0. f32 or f64, both of one dtype.
/// Deterministic; differentiable any number of times. Source: FlowNetC (Dosovitskiy et al., ICCV 2015), PWC-Net (Sun et
/// al., CVPR 2018).
COPPICE_API Tensor local_correlation(const Tensor& a, const Tensor& b, LocalCorrelationOptions options = {});

}  // namespace coppice
