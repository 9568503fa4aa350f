#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Pairs are (height, width).
struct ConvTranspose2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> output_padding = {0, 0};  ///< below the stride
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::int64_t groups = 1;
};

/// The transpose of conv2d: input (n, c, h, w) and weight (c, m / groups, kh, kw) to (n, m, h', w'),
/// h' = (h − 1)·stride − 2·padding + dilation·(kernel − 1) + output_padding + 1, plus bias (m), which may be undefined.
/// f32 or f64, the weight dense; conv2d's kernels for the gradient of its input. Differentiable any number of times.
COPPICE_API Tensor conv_transpose2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                                    const ConvTranspose2dOptions& options = {});

}  // namespace coppice
