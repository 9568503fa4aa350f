#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include <coppice/models/nn/module.h>

namespace coppice::models {

/// How a residual network begins: 7 × 7 with stride 2 and a max-pool, for images of about 224; or 3 × 3 with stride 1
/// and no pool, for images of about 32 (as is usual on CIFAR; `conv1.weight` then has another shape).
enum class ResNetStem : std::uint8_t { Large, Small };

/// The residual block: two 3 × 3 convolutions, or 1 × 1, 3 × 3, 1 × 1 with four times as many outputs.
enum class ResNetBlock : std::uint8_t { Basic, Bottleneck };

struct ResNetOptions {
  std::int64_t num_classes = 1000;
  bool zero_init_residual = false;  ///< start the last batch norm of every block at 0
  ResNetStem stem = ResNetStem::Large;
  std::int64_t input_channels = 3;
  std::int64_t width = 64;  ///< channels of the first stage; the others have 2, 4 and 8 times as many
  std::uint64_t seed = 0;
  bool draw = true;  ///< false: leave convolutions unset, for a checkpoint to set
};

/// Residual networks on (n, input_channels, h, w), logits out, with the parameter names of torchvision
/// (`layer1.0.conv1.weight`, `layer2.0.downsample.0.weight`, `fc.bias`), so that its weights load. Bottlenecks have
/// their stride in the 3 × 3 (torchvision's "v1.5"). Convolutions are drawn by ConvInit::KaimingFanOut, `fc` by
/// PyTorch's default.
/// Source: He et al., CVPR 2016.
///
/// Parameters with 1000 classes: resnet18 11,689,512; resnet34 21,797,672; resnet50 25,557,032; resnet101 44,549,160;
/// resnet152 60,192,808.
COPPICE_API std::shared_ptr<nn::Module> resnet18(const ResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet34(const ResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet50(const ResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet101(const ResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet152(const ResNetOptions& options = {});

/// Any other: blocks[i] of them in stage i.
COPPICE_API std::shared_ptr<nn::Module> resnet(ResNetBlock block, std::array<std::int64_t, 4> blocks,
                                               const ResNetOptions& options = {});

struct CifarResNetOptions {
  std::int64_t num_classes = 10;
  bool zero_init_residual = false;
  std::int64_t input_channels = 3;
  std::int64_t width = 16;  ///< channels of the first stage; the other two have 2 and 4 times as many
  std::uint64_t seed = 0;
  bool draw = true;
};

/// Residual networks for images of about 32 × 32, with 6 · `blocks` + 2 layers: a 3 × 3 convolution, then three stages
/// of `blocks` Basic blocks each. Where a stage changes size its shortcut is a 1 × 1 convolution with batch norm
/// ("option B"). Names and initialisation are those of resnet().
/// Source: He et al., CVPR 2016, section 4.2, which has option A there, shortcuts without weights.
///
/// Parameters with 10 classes: resnet20 272,474; resnet32 466,906; resnet56 855,770.
COPPICE_API std::shared_ptr<nn::Module> cifar_resnet(std::int64_t blocks, const CifarResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet20(const CifarResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet32(const CifarResNetOptions& options = {});
COPPICE_API std::shared_ptr<nn::Module> resnet56(const CifarResNetOptions& options = {});

}  // namespace coppice::models
