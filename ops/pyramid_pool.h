#pragma once

#include <cstdint>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// adaptive_avg_pool2d(input, {s, s}) of one input (n, c, h, w) for every s of `sizes`, as pyramid pooling uses: the
/// input is read once for all. f32 or f64. Differentiable any number of times; deterministic.
/// Source: PSPNet (Zhao et al., CVPR 2017).
COPPICE_API std::vector<Tensor> pyramid_pool(const Tensor& input, const std::vector<std::int64_t>& sizes);

}  // namespace coppice
