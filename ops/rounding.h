#pragma once

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// To an integer: below, above, the nearest (half to even), towards 0. Integers stay as they are. The gradient is 0 and
/// not recorded.
COPPICE_API Tensor floor(const Tensor& input);
COPPICE_API Tensor ceil(const Tensor& input);
COPPICE_API Tensor round(const Tensor& input);
COPPICE_API Tensor trunc(const Tensor& input);

/// input − other · floor(input / other), exactly: it has the sign of `other`. Broadcasts; types as in
/// ops/elementwise.h. Throws where integers are divided by 0; floating dtypes give NaN.
COPPICE_API Tensor remainder(const Tensor& input, const Tensor& other);
COPPICE_API Tensor remainder(const Tensor& input, Scalar other);

/// input − other · trunc(input / other), exactly: it has the sign of `input`. Otherwise as remainder.
COPPICE_API Tensor fmod(const Tensor& input, const Tensor& other);
COPPICE_API Tensor fmod(const Tensor& input, Scalar other);

}  // namespace coppice
