#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// log(Σ e^x) along `dims` (empty: all), without overflow; −∞ of nothing. Integers are computed in float32.
/// Differentiable any number of times; deterministic.
COPPICE_API Tensor logsumexp(const Tensor& input, const Dims& dims, bool keepdim = false);

}  // namespace coppice
