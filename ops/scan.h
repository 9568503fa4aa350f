#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Running sums (products) along `dim`: output k folds elements 0 … k, in that order. Integral and bool inputs give
/// int64; float32 is added up in double. Differentiable any number of times, factors of 0 exactly.
COPPICE_API Tensor cumsum(const Tensor& input, int dim);
COPPICE_API Tensor cumprod(const Tensor& input, int dim);

}  // namespace coppice
