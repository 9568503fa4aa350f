#pragma once

#include <cstdint>
#include <functional>

#include <coppice/sparsity/distribution.h>

namespace coppice::bench {

/// How a network's weights are made sparse; dense where `sparsity` is 0. The first and the last layer stay dense.
struct Sparse {
  double sparsity = 0.0;
  sparsity::Distribution distribution = sparsity::Distribution::Uniform;
  int rows = 1;  ///< of blocks, one column wide
};

/// One step of SGD with momentum on ResNet-18 for images of 32 × 32: forward, backward, update.
std::function<void()> training_step(std::int64_t batch, const Sparse& sparse);

/// One step of Adam on that network, from gradients that it holds; the network and all it holds live in the function.
std::function<void()> adam_step(const Sparse& sparse);

}  // namespace coppice::bench
