#pragma once

#include <cstdint>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// What padding shows: a constant, the input mirrored at its border elements, its border elements, or its other end.
enum class PadMode : std::uint8_t { Constant, Reflect, Replicate, Circular };

struct PadOptions {
  PadMode mode = PadMode::Constant;
  double value = 0.0;  ///< of Constant
};

/// Adds `padding` = (left, right) of the last dimension, then of the one before, and so on; a negative number removes
/// elements. Any dtype; differentiable any number of times. Reflect expects paddings below the dimension's size,
/// Circular at most that size, Replicate at least one element.
COPPICE_API Tensor pad(const Tensor& input, const std::vector<std::int64_t>& padding, PadOptions options = {});

}  // namespace coppice
