#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Pairs are (height, width).
struct Conv2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::int64_t groups = 1;
  friend bool operator==(const Conv2dOptions&, const Conv2dOptions&) = default;
};

/// The output shape (n, m, h', w'), h' = ⌊(h + 2·padding − dilation·(kernel − 1) − 1) / stride⌋ + 1.
/// Throws `[conv2d] …` where operands do not fit.
COPPICE_API Shape check_conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias,
                               const Conv2dOptions& options);

/// Cross-correlation of input (n, c, h, w) with weight (m, c / groups, kh, kw), plus bias (m), which may be undefined;
/// zeros outside the input. f32 or f64.
///
/// The weight may be Masked: its gradient is then what its WeightState asks for (GradientKind): one-dimensional over
/// the trainable weights, dense, or none.
COPPICE_API Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                          const Conv2dOptions& options = {});

/// relu(conv2d(input, weight, bias, options) + residual); the residual, of the output's shape, may be undefined. Where
/// nothing is recorded for back-propagation, kernels do it all as they write the output.
COPPICE_API Tensor conv2d_relu(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                               const Conv2dOptions& options = {}, const Tensor& residual = {});

}  // namespace coppice
