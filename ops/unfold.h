#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Pairs are (height, width).
struct UnfoldOptions {
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> stride = {1, 1};
};

/// The windows of input (n, c, h, w) or (c, h, w), zero-padded, as columns (n, c · kh · kw, windows) or without n; the
/// windows in row-major order (im2col). f32 or f64; differentiable any number of times, as fold.
COPPICE_API Tensor unfold(const Tensor& input, std::array<std::int64_t, 2> kernel_size,
                          const UnfoldOptions& options = {});

/// Sums columns (n, c · kh · kw, windows), or without n, into images (n, c, output_size): the adjoint of unfold
/// (col2im). What the padding would hold is dropped.
COPPICE_API Tensor fold(const Tensor& input, std::array<std::int64_t, 2> output_size,
                        std::array<std::int64_t, 2> kernel_size, const UnfoldOptions& options = {});

}  // namespace coppice
