#pragma once

#include <cstdint>
#include <memory>

#include <coppice/models/nn/module.h>

namespace coppice::models {

struct MobileNetOptions {
  std::int64_t num_classes = 1000;
  double width = 1.0;  ///< multiplies every number of channels
  std::int64_t input_channels = 3;
  std::uint64_t seed = 0;
  bool draw = true;  ///< false: leave convolutions unset, for a checkpoint to set
};

/// MobileNet-V1: a 3 × 3 convolution and 13 pairs of depthwise 3 × 3 and 1 × 1 convolutions, each with batch norm and
/// ReLU, on (n, input_channels, h, w) of about 224, logits out. Parameters are named as in the usual PyTorch code
/// (`model.1.0.weight`, depthwise, `model.1.3.weight`, pointwise, `fc.bias`).
/// Source: Howard et al., arXiv:1704.04861, table 1.
///
/// With 1000 classes: 4,231,976 parameters, 568,740,352 multiply-accumulates at 224 × 224.
COPPICE_API std::shared_ptr<nn::Module> mobilenet_v1(const MobileNetOptions& options = {});

/// MobileNet-V2: a 3 × 3 convolution, 17 inverted residuals (expansion, depthwise 3 × 3, projection, with batch norm
/// and ReLU6) and a 1 × 1 convolution, on (n, input_channels, h, w) of about 224, logits out. Parameters are named as
/// in torchvision (`features.1.conv.0.0.weight`, `classifier.1.bias`); there is no dropout before the classifier.
/// Channels are multiples of 8. Source: Sandler et al., arXiv:1801.04381, table 2.
///
/// With 1000 classes: 3,504,872 parameters, 300,774,272 multiply-accumulates at 224 × 224.
COPPICE_API std::shared_ptr<nn::Module> mobilenet_v2(const MobileNetOptions& options = {});

}  // namespace coppice::models
