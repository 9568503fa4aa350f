#pragma once

#include <array>
#include <cstdint>
#include <optional>

#include <coppice/core/tensor.h>

namespace coppice {

/// Pairs are (height, width). An empty stride means the kernel's size.
struct MaxPool2dOptions {
  std::optional<std::array<std::int64_t, 2>> stride = {};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> dilation = {1, 1};
  bool ceil_mode = false;
};

struct AvgPool2dOptions {
  std::optional<std::array<std::int64_t, 2>> stride = {};
  std::array<std::int64_t, 2> padding = {0, 0};
  bool ceil_mode = false;
  bool count_include_pad = true;  ///< whether padding counts in the divisor
};

/// Maxima over windows of input (n, c, h, w); padding is −∞ and at most half the kernel. A NaN in a window is its
/// maximum; of equal elements the first in row-major order gets the gradient. f32 or f64.
COPPICE_API Tensor max_pool2d(const Tensor& input, std::array<std::int64_t, 2> kernel_size,
                              const MaxPool2dOptions& options = {});

/// Means over windows of input (n, c, h, w), zero-padded.
COPPICE_API Tensor avg_pool2d(const Tensor& input, std::array<std::int64_t, 2> kernel_size,
                              const AvgPool2dOptions& options = {});

/// Means over windows [⌊i·h / out⌋, ⌈(i+1)·h / out⌉), so that the output is (n, c, output_size).
COPPICE_API Tensor adaptive_avg_pool2d(const Tensor& input, std::array<std::int64_t, 2> output_size);

}  // namespace coppice
