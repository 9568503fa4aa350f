#pragma once

#include <cstdint>
#include <memory>

#include <coppice/models/nn/module.h>

namespace coppice::models {

struct MnistCnnOptions {
  std::int64_t input_channels = 3;  ///< 3: grey replicated, as published; 1: grey
  std::uint64_t seed = 0;
};

/// The MNIST → MNIST-M network of DSS (Sun, 2023): two 5 × 5 convolutions (32, 48) with ReLU and max-pooling,
/// `features`, then 2352-100-100-10, `classifier`, on (n, channels, 28, 28). Returns logits; 287,290 parameters and
/// 9.65 M multiply-accumulates an image with 3 channels.
COPPICE_API std::shared_ptr<nn::Module> mnist_cnn(MnistCnnOptions options = {});

}  // namespace coppice::models
