#pragma once

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// `value`, as an element of the input's dtype, where the bool `mask` is set, else `input`; both broadcast.
/// Differentiable any number of times, as the others here.
COPPICE_API Tensor masked_fill(const Tensor& input, const Tensor& mask, Scalar value);
/// As above with a tensor of no dimensions, which gets the sum of the gradients where the mask is set.
COPPICE_API Tensor masked_fill(const Tensor& input, const Tensor& mask, const Tensor& value);

/// The elements where the bool `mask` is set, in row-major order, as one dimension; both broadcast. Any dtype.
COPPICE_API Tensor masked_select(const Tensor& input, const Tensor& mask);

}  // namespace coppice
