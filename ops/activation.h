#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// max(x, 0); NaN stays NaN. The derivative at 0 is 0.
COPPICE_API Tensor relu(const Tensor& input);

}  // namespace coppice
