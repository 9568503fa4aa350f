#pragma once

#include <cstdint>
#include <memory>

#include <coppice/models/nn/module.h>

namespace coppice::models {

enum class EncoderNorm : std::uint8_t { None, Batch, Instance, Group };

struct RaftEncoderOptions {
  std::int64_t output_channels = 256;
  EncoderNorm norm = EncoderNorm::Instance;  ///< Group: of 8 channels each
  std::int64_t input_channels = 3;
  std::uint64_t seed = 0;
  bool draw = true;  ///< false: leave convolutions unset, for a checkpoint to set
};

/// The feature and context encoder of RAFT: a 7 × 7 convolution of stride 2, six residual blocks of 64, 96 and 128
/// channels, and a 1 × 1 convolution; (n, input_channels, h, w) to (n, output_channels, ⌈h / 8⌉, ⌈w / 8⌉). Parameters
/// are named as in the authors' code (`layer2.0.downsample.0.weight`; the norm of a shortcut, which is there twice,
/// only as `downsample.1`). Source: Teed and Deng, ECCV 2020, supplement, figure 6.
///
/// With instance norm and 256 channels 1,066,848 parameters, 1,113,325,568 multiply-accumulates at 128 × 128.
COPPICE_API std::shared_ptr<nn::Module> raft_encoder(const RaftEncoderOptions& options = {});

/// The encoder of the small RAFT: six bottleneck blocks of 32, 64 and 96 channels. With instance norm and 128 channels
/// 55,264 parameters, 50,954,240 multiply-accumulates at 128 × 128.
COPPICE_API std::shared_ptr<nn::Module> raft_small_encoder(const RaftEncoderOptions& options = {
                                                               .output_channels = 128});

}  // namespace coppice::models
