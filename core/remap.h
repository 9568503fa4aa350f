#pragma once

#include <vector>

#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>

namespace coppice::detail {

/// WeightState::remap of several contiguous vectors of one dtype, all in one pass over the masks.
std::vector<Tensor> remap_all(const std::vector<Tensor>& packed, const Mask& from, const Mask& to, double fill = 0.0);

}  // namespace coppice::detail
