#include <coppice/models/nn/norms.h>

#include <sstream>

#include <coppice/models/nn/init.h>

namespace coppice::nn {

namespace {

Tensor ones_if(bool wanted, const Shape& shape) { return wanted ? Tensor::ones(shape) : Tensor(); }
Tensor zeros_if(bool wanted, const Shape& shape) { return wanted ? Tensor::zeros(shape) : Tensor(); }

void reset_affine(const Tensor& weight, const Tensor& bias) {
  if (weight.defined()) assign_parameter(weight, Tensor::ones(weight.shape()));
  if (bias.defined()) assign_parameter(bias, Tensor::zeros(bias.shape()));
}

}  // namespace

LayerNorm::LayerNorm(const Shape& normalized_shape, LayerNormLayerOptions options)
    : normalized_shape_(normalized_shape),
      options_(options),
      weight_(register_parameter("weight", ones_if(options.elementwise_affine, normalized_shape))),
      bias_(register_parameter("bias", zeros_if(options.elementwise_affine && options.bias, normalized_shape))) {}

Tensor LayerNorm::forward(const Tensor& input) {
  return layer_norm(input, normalized_shape_, weight_, bias_, {.eps = options_.eps});
}

std::string LayerNorm::description() const {
  std::ostringstream text;
  text << "LayerNorm(" << normalized_shape_;
  if (!weight_.defined()) {
    text << ", elementwise_affine=false";
  } else if (!bias_.defined()) {
    text << ", bias=false";
  }
  text << ')';
  return text.str();
}

void LayerNorm::reset_parameters(std::uint64_t, const std::string&) { reset_affine(weight_, bias_); }

GroupNorm::GroupNorm(std::int64_t num_groups, std::int64_t num_channels, GroupNormLayerOptions options)
    : num_groups_(num_groups),
      num_channels_(num_channels),
      options_(options),
      weight_(register_parameter("weight", ones_if(options.affine, {num_channels}))),
      bias_(register_parameter("bias", zeros_if(options.affine, {num_channels}))) {
  COPPICE_CHECK(num_groups >= 1 && num_channels % num_groups == 0, "[GroupNorm] num_groups=", num_groups,
                " must divide num_channels=", num_channels);
}

Tensor GroupNorm::forward(const Tensor& input) {
  COPPICE_CHECK(input.dim() >= 2 && input.size(1) == num_channels_, "[GroupNorm] expects an input (n, ", num_channels_,
                ", …); got ", input.shape());
  return group_norm(input, num_groups_, weight_, bias_, {.eps = options_.eps});
}

std::string GroupNorm::description() const {
  std::ostringstream text;
  text << "GroupNorm(" << num_groups_ << ", " << num_channels_ << (options_.affine ? ")" : ", affine=false)");
  return text.str();
}

void GroupNorm::reset_parameters(std::uint64_t, const std::string&) { reset_affine(weight_, bias_); }

InstanceNorm2d::InstanceNorm2d(std::int64_t num_features, InstanceNorm2dOptions options)
    : num_features_(num_features),
      options_(options),
      weight_(register_parameter("weight", ones_if(options.affine, {num_features}))),
      bias_(register_parameter("bias", zeros_if(options.affine, {num_features}))),
      running_mean_(register_buffer("running_mean", zeros_if(options.track_running_stats, {num_features}))),
      running_var_(register_buffer("running_var", ones_if(options.track_running_stats, {num_features}))),
      num_batches_tracked_(register_buffer(
          "num_batches_tracked", options.track_running_stats ? Tensor::zeros({}, {.dtype = kInt64}) : Tensor())) {}

Tensor InstanceNorm2d::forward(const Tensor& input) {
  const int rank = input.dim();
  COPPICE_CHECK((rank == 3 || rank == 4) && input.size(rank - 3) == num_features_,
                "[InstanceNorm2d] expects an input (n, ", num_features_, ", h, w) or (", num_features_, ", h, w); got ",
                input.shape());
  if (rank == 3) return forward(input.unsqueeze(0)).squeeze(0);
  return instance_norm(input, running_mean_, running_var_, weight_, bias_,
                       {.use_input_stats = is_training() || !options_.track_running_stats,
                        .momentum = options_.momentum,
                        .eps = options_.eps});
}

std::string InstanceNorm2d::description() const {
  std::ostringstream text;
  text << "InstanceNorm2d(" << num_features_;
  if (options_.affine) text << ", affine=true";
  if (options_.track_running_stats) text << ", track_running_stats=true";
  text << ')';
  return text.str();
}

void InstanceNorm2d::reset_parameters(std::uint64_t, const std::string&) {
  reset_affine(weight_, bias_);
  if (!running_mean_.defined()) return;
  running_mean_.zero_();
  running_var_.fill_(1.0);
  num_batches_tracked_.zero_();
}

}  // namespace coppice::nn
