#pragma once

#include <coppice/models/nn/module.h>
#include <coppice/ops/layer_norm.h>

namespace coppice::nn {

struct LayerNormLayerOptions {
  double eps = 1e-5;
  bool elementwise_affine = true;
  bool bias = true;  ///< of an affine one
};

/// Layer normalisation over the last dimensions, whose sizes are `normalized_shape`; weight and bias of that shape.
class COPPICE_API LayerNorm : public Module {
 public:
  explicit LayerNorm(const Shape& normalized_shape, LayerNormLayerOptions options = {});
  explicit LayerNorm(std::int64_t normalized_size, LayerNormLayerOptions options = {})
      : LayerNorm(Shape{normalized_size}, options) {}
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;

  const Tensor& weight() const { return weight_; }  ///< undefined unless affine
  const Tensor& bias() const { return bias_; }      ///< undefined unless affine and with a bias

 private:
  Shape normalized_shape_;
  LayerNormLayerOptions options_;
  Tensor& weight_;
  Tensor& bias_;
};

struct GroupNormLayerOptions {
  double eps = 1e-5;
  bool affine = true;
};

/// Group normalisation of (n, num_channels, …); weight and bias (num_channels).
class COPPICE_API GroupNorm : public Module {
 public:
  GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormLayerOptions options = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;

  const Tensor& weight() const { return weight_; }  ///< undefined unless affine
  const Tensor& bias() const { return bias_; }      ///< undefined unless affine

 private:
  std::int64_t num_groups_, num_channels_;
  GroupNormLayerOptions options_;
  Tensor& weight_;
  Tensor& bias_;
};

struct InstanceNorm2dOptions {
  double eps = 1e-5;
  double momentum = 0.1;
  bool affine = false;
  bool track_running_stats = false;  ///< and normalise by them in evaluation
};

/// Instance normalisation of (n, num_features, h, w), or of one image (num_features, h, w). As in PyTorch,
/// num_batches_tracked is there for state dicts and never counts.
class COPPICE_API InstanceNorm2d : public Module {
 public:
  explicit InstanceNorm2d(std::int64_t num_features, InstanceNorm2dOptions options = {});
  Tensor forward(const Tensor& input) override;
  std::string description() const override;
  void reset_parameters(std::uint64_t seed, const std::string& prefix) override;

  const Tensor& weight() const { return weight_; }              ///< undefined unless affine
  const Tensor& bias() const { return bias_; }                  ///< undefined unless affine
  const Tensor& running_mean() const { return running_mean_; }  ///< undefined unless tracked
  const Tensor& running_var() const { return running_var_; }    ///< undefined unless tracked

 private:
  std::int64_t num_features_;
  InstanceNorm2dOptions options_;
  Tensor& weight_;
  Tensor& bias_;
  Tensor& running_mean_;
  Tensor& running_var_;
  Tensor& num_batches_tracked_;
};

}  // namespace coppice::nn
