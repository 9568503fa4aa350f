#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

struct Conv1dOptions {
  std::int64_t stride = 1;
  std::int64_t padding = 0;
  std::int64_t dilation = 1;
  std::int64_t groups = 1;
};

/// Cross-correlation of input (n, c, l) with a dense weight (m, c / groups, k), plus bias (m), which may be undefined;
/// zeros outside the input. As conv2d of images one pixel high.
COPPICE_API Tensor conv1d(const Tensor& input, const Tensor& weight, const Tensor& bias = {},
                          const Conv1dOptions& options = {});

}  // namespace coppice
