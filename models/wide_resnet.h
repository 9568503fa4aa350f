#pragma once

#include <cstdint>
#include <memory>

#include <coppice/models/nn/module.h>

namespace coppice::models {

struct WideResNetOptions {
  std::int64_t depth = 22;  ///< 6 · n + 4, n blocks in each of the three groups
  std::int64_t widen = 2;   ///< channels of the groups: 16, 32 and 64 times this
  std::int64_t num_classes = 10;
  std::int64_t input_channels = 3;
  std::uint64_t seed = 0;
  bool draw = true;  ///< false: leave convolutions unset, for a checkpoint to set
};

/// A wide residual network with pre-activation on (n, input_channels, h, w) of about 32 × 32, logits out, without
/// dropout. Parameters are named as in the PyTorch code that most papers' baselines come from
/// (`block1.layer.0.bn1.weight`, `block1.layer.0.convShortcut.weight`, `fc.bias`).
/// Source: Zagoruyko and Komodakis, BMVC 2016.
///
/// The default, WRN-22-2, has 1,076,912 weights in convolutions and the linear layer and 1.577e8 multiply-accumulates
/// at 32 × 32; with norms and biases 1,079,642 parameters.
COPPICE_API std::shared_ptr<nn::Module> wide_resnet(const WideResNetOptions& options = {});

}  // namespace coppice::models
