#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// (Σ |x|^p)^(1/p) along `dims` (empty: all), of floating dtypes; p = ±∞ gives the largest (smallest) |x|, p = 0 counts
/// what is not 0, without gradient. Where the norm is 0 so is the gradient; for ±∞ it is shared evenly among ties.
/// Differentiable any number of times; deterministic.
COPPICE_API Tensor norm(const Tensor& input, double p = 2.0, const Dims& dims = {}, bool keepdim = false);

}  // namespace coppice
