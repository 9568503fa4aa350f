#pragma once

#include <array>

#include <coppice/models/nn/module.h>
#include <coppice/ops/conv2d.h>

namespace coppice::nn {

/// How a convolution's weight is drawn: PyTorch's default (init.h), or as residual networks want it, normal with
/// variance 2 / (out · kh · kw) (He et al., ICCV 2015, "fan out").
enum class ConvInit : std::uint8_t { Default, KaimingFanOut };

/// The options of ops/conv2d.h, pairs as (height, width), and what there is to draw.
struct Conv2dLayerOptions {
  std::array<std::int64_t, 2> stride = {1, 1};
  std::array<std::int64_t, 2> padding = {0, 0};
  std::array<std::int64_t, 2> dilation = {1, 1};
  std::int64_t groups = 1;
  bool bias = true;
  ConvInit init = ConvInit::Default;
  bool draw = true;  ///< false: the constructor leaves the values unset, for nn::initialize or a checkpoint to set
};

/// Convolution with weight (out, in / groups, kh, kw), dense or Masked.
class COPPICE_API Conv2d : public Module {
 public:
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::array<std::int64_t, 2> kernel_size,
         const Conv2dLayerOptions& options = {});
  Conv2d(std::int64_t in_channels, std::int64_t out_channels, std::int64_t kernel_size,
         const Conv2dLayerOptions& options = {})
      : Conv2d(in_channels, out_channels, std::array{kernel_size, kernel_size}, options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;
  std::vector<std::string> prunable_parameters() const override { return {"weight"}; }

  const Tensor& weight() const { return weight_; }
  const Tensor& bias() const { return bias_; }
  const Conv2dOptions& options() const { return options_; }

 private:
  Conv2dOptions options_;
  ConvInit init_;
  Tensor& weight_;
  Tensor& bias_;
};

}  // namespace coppice::nn
