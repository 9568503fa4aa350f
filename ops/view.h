#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Views beside those that are methods of Tensor; differentiable any number of times.

/// Dimensions source[i] at the places destination[i], the others in their order.
COPPICE_API Tensor movedim(const Tensor& input, const Dims& source, const Dims& destination);

/// Without its dimensions of size 1.
COPPICE_API Tensor squeeze(const Tensor& input);

/// As Tensor::expand: sizes equal or 1, aligned at the end.
COPPICE_API Tensor broadcast_to(const Tensor& input, const Shape& shape);

/// Dimension `dim` as several of the given sizes, of which one may be -1.
COPPICE_API Tensor unflatten(const Tensor& input, int dim, const Dims& sizes);

}  // namespace coppice
