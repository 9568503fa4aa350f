#pragma once

#include <cstdint>

#include <coppice/ops/cpu/conv_epilogue.h>

namespace coppice::cpu {

/// Sizes of one convolution. Everything is contiguous: input (batch, channels, height, width), weight (out_channels,
/// channels / groups, kernel_h, kernel_w), output (batch, out_channels, out_h, out_w).
struct Conv2dGeometry {
  std::int64_t batch, channels, height, width;
  std::int64_t out_channels, kernel_h, kernel_w;
  std::int64_t out_h, out_w;
  std::int64_t stride_h, stride_w, pad_h, pad_w, dilation_h, dilation_w;
  std::int64_t groups;

  std::int64_t pixels() const { return height * width; }
  std::int64_t out_pixels() const { return out_h * out_w; }
  std::int64_t group_channels() const { return channels / groups; }
  std::int64_t group_outputs() const { return out_channels / groups; }
  /// Inputs of one output pixel: rows of the column matrix of a group.
  std::int64_t patch() const { return group_channels() * kernel_h * kernel_w; }
  /// Whether the column matrix is the image itself.
  bool is_pointwise() const {
    return kernel_h == 1 && kernel_w == 1 && stride_h == 1 && stride_w == 1 && pad_h == 0 && pad_w == 0;
  }
};

// Convolution by matrix products, one image and group at a time; f32 and f64.
//
// Mapping        threads take whole images; with fewer images than threads, gemm and im2col split the work inside. The
//                forward product packs its patches from the image; gradients go through a column matrix (im2col).
// Work           2 · batch · out_channels · patch · out_pixels FLOP; a gradient writes and reads a column matrix of
//                patch · out_pixels elements once per image and thread.
// Deterministic  yes: no sum's order depends on the number of threads. The weight gradient adds images within
//                fixed parts of the batch in order, then the parts in order.
// Measure        coppice-bench --benchmark_filter=Conv2d

/// output = weight ⋆ input, finished by the epilogue.
template <class T>
void conv2d_forward(const Conv2dGeometry& geometry, const ConvEpilogue<T>& epilogue, const T* input, const T* weight,
                    T* output);

template <class T>
void conv2d_data_gradient(const Conv2dGeometry& geometry, const T* d_output, const T* weight, T* d_input);

template <class T>
void conv2d_weight_gradient(const Conv2dGeometry& geometry, const T* d_output, const T* input, T* d_weight);

}  // namespace coppice::cpu
