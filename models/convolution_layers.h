#pragma once

#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/ops/memory_format.h>

// The layers that the convolutional networks here are made of.

namespace coppice::models::detail {

/// A convolution padded to keep the size, without bias. Drawn once the network is whole.
inline std::shared_ptr<nn::Conv2d> conv(std::int64_t in, std::int64_t out, std::int64_t kernel, std::int64_t stride = 1,
                                        std::int64_t groups = 1) {
  const std::int64_t padding = kernel / 2;
  return std::make_shared<nn::Conv2d>(in, out, kernel,
                                      nn::Conv2dLayerOptions{.stride = {stride, stride},
                                                             .padding = {padding, padding},
                                                             .groups = groups,
                                                             .bias = false,
                                                             .init = nn::ConvInit::KaimingFanOut,
                                                             .draw = false});
}

inline std::shared_ptr<nn::BatchNorm2d> norm(std::int64_t channels, double initial_weight = 1.0) {
  return std::make_shared<nn::BatchNorm2d>(channels, nn::BatchNorm2dOptions{.initial_weight = initial_weight});
}

/// Images in the format in which a network computes them: Blocked where there are enough to fill a vector.
inline Tensor batch_format(const Tensor& images) {
  const bool many = images.dim() == 4 && images.device().is_cpu() && is_floating(images.dtype()) &&
                    images.size(0) >= image_block(images.dtype());
  return many ? images.to(MemoryFormat::Blocked) : images;
}

}  // namespace coppice::models::detail
