#pragma once

#include <coppice/ops/conv2d.h>

namespace coppice::detail {

/// The gradient of conv2d's input as an op of its own: bilinear in d_output and a dense weight, differentiable any
/// number of times. conv2d of input_shape must have d_output's shape.
Tensor conv2d_data_gradient(const Tensor& d_output, const Tensor& weight, const Shape& input_shape,
                            const Conv2dOptions& options);

}  // namespace coppice::detail
