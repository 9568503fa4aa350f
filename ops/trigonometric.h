#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Functions of angles in radians, elementwise and differentiable any number of times; types as in ops/elementwise.h.
/// In float32 within 0.51 ulp of the exact result over the whole range, with the same bits on every instruction set;
/// float64 is the C library's. NaN where a function is not defined.
COPPICE_API Tensor sin(const Tensor& input);
COPPICE_API Tensor cos(const Tensor& input);
COPPICE_API Tensor tan(const Tensor& input);
COPPICE_API Tensor asin(const Tensor& input);
COPPICE_API Tensor acos(const Tensor& input);
COPPICE_API Tensor atan(const Tensor& input);
/// The angle of the point (other, input), from −π to π; the two broadcast. Its gradient at (0, 0) is NaN.
COPPICE_API Tensor atan2(const Tensor& input, const Tensor& other);

/// Hyperbolic functions, as above; tanh is in ops/activation.h.
COPPICE_API Tensor sinh(const Tensor& input);
COPPICE_API Tensor cosh(const Tensor& input);

}  // namespace coppice
