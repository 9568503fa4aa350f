#pragma once

#include <array>
#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Pairs are (height, width). Numbers of groups and of offset groups follow from the shapes.
struct DeformConv2dOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> dilation = {1, 1};
};

/// Deformable convolution of input (n, c, h, w) with weight (o, c / groups, kh, kw): tap (i, j) at an output pixel
/// reads the input bilinearly, zeros outside, where offset (n, 2 · g · kh · kw, h_out, w_out) moves it; channels of
/// `offset` are ordered by offset group, tap, then y before x. `bias` (o) may be undefined. `mask` (n, g · kh · kw,
/// h_out, w_out) multiplies what taps read (version 2); undefined: version 1. f32 or f64, all of one dtype. Semantics
/// and argument order are torchvision's. Deterministic; no double backward. Source: Dai et al., ICCV 2017; Zhu et al.,
/// CVPR 2019.
COPPICE_API Tensor deform_conv2d(const Tensor& input, const Tensor& offset, const Tensor& weight,
                                 const Tensor& bias = {}, const DeformConv2dOptions& options = {},
                                 const Tensor& mask = {});

}  // namespace coppice
