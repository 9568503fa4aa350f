#include <coppice/models/raft_encoder.h>

#include <array>
#include <sstream>
#include <vector>

#include <coppice/models/convolution_layers.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/norms.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>

namespace coppice::models {

namespace {

/// With a bias, as the authors have it even where a norm follows.
std::shared_ptr<nn::Conv2d> biased_conv(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                        std::int64_t stride = 1) {
  const std::int64_t padding = kernel / 2;
  return std::make_shared<nn::Conv2d>(in, out, kernel,
                                      nn::Conv2dLayerOptions{.stride = {stride, stride},
                                                             .padding = {padding, padding},
                                                             .init = nn::ConvInit::KaimingFanOut,
                                                             .draw = false});
}

std::shared_ptr<nn::Module> norm_of(EncoderNorm norm, std::int64_t channels) {
  switch (norm) {
    case EncoderNorm::Batch: return detail::norm(channels);
    case EncoderNorm::Instance: return std::make_shared<nn::InstanceNorm2d>(channels);
    case EncoderNorm::Group: return std::make_shared<nn::GroupNorm>(channels / 8, channels);
    case EncoderNorm::None: break;
  }
  return std::make_shared<nn::Identity>();
}

/// relu(x + f(x)), f being convolutions each with its norm and ReLU: two of 3 × 3, or 1 × 1, 3 × 3 and 1 × 1 with a
/// quarter of the channels inside.
class EncoderBlock : public nn::Module {
 public:
  EncoderBlock(std::int64_t in, std::int64_t out, std::int64_t stride, bool bottleneck, EncoderNorm norm)
      : in_(in), out_(out), convolutions_(bottleneck ? 3 : 2), strided_(stride != 1) {
    const std::int64_t inner = bottleneck ? out / 4 : out;
    register_module("conv1", bottleneck ? biased_conv(in, inner, 1) : biased_conv(in, inner, 3, stride));
    register_module("conv2", biased_conv(inner, inner, 3, bottleneck ? stride : 1));
    if (bottleneck) register_module("conv3", biased_conv(inner, out, 1));
    register_module("relu", std::make_shared<nn::ReLU>());
    for (int i = 1; i <= convolutions_; ++i) {
      register_module("norm" + std::to_string(i), norm_of(norm, i == convolutions_ ? out : inner));
    }
    if (strided_) {
      auto downsample = std::make_shared<nn::Sequential>();
      downsample->append(biased_conv(in, out, 1, stride));
      downsample->append(norm_of(norm, out));
      register_module("downsample", downsample);
    }
  }

  Tensor forward(const Tensor& input) override {
    Tensor y = input;
    for (int i = 1; i <= convolutions_; ++i) {
      const std::string number = std::to_string(i);
      y = nn::conv_norm_relu(module("conv" + number), module("norm" + number), module("relu"), y);
    }
    return relu((strided_ ? module("downsample")(input) : input) + y);
  }

  std::string description() const override {
    std::ostringstream text;
    text << (convolutions_ == 3 ? "BottleneckBlock(" : "ResidualBlock(") << in_ << ", " << out_ << ')';
    return text.str();
  }

 private:
  std::int64_t in_, out_;
  int convolutions_;
  bool strided_;
};

struct Stages {
  std::int64_t stem;
  std::array<std::int64_t, 3> widths;
  bool bottleneck;
};

class RaftEncoder : public nn::Module {
 public:
  RaftEncoder(const Stages& stages, const RaftEncoderOptions& options)
      : blocked_(options.norm == EncoderNorm::Batch || options.norm == EncoderNorm::None) {
    register_module("norm1", norm_of(options.norm, stages.stem));
    register_module("conv1", biased_conv(options.input_channels, stages.stem, 7, 2));
    register_module("relu1", std::make_shared<nn::ReLU>());
    std::int64_t in = stages.stem;
    for (std::size_t s = 0; s < stages.widths.size(); ++s) {
      const std::int64_t out = stages.widths[s];
      auto layer = std::make_shared<nn::Sequential>();
      layer->append(std::make_shared<EncoderBlock>(in, out, s == 0 ? 1 : 2, stages.bottleneck, options.norm));
      layer->append(std::make_shared<EncoderBlock>(out, out, 1, stages.bottleneck, options.norm));
      register_module("layer" + std::to_string(s + 1), layer);
      in = out;
    }
    register_module("conv2", biased_conv(in, options.output_channels, 1));
  }

  Tensor forward(const Tensor& input) override {
    const Tensor images = blocked_ ? detail::batch_format(input) : input;
    Tensor x = nn::conv_norm_relu(module("conv1"), module("norm1"), module("relu1"), images);
    for (const char* layer : {"layer1", "layer2", "layer3"}) x = module(layer)(x);
    return module("conv2")(x).contiguous();
  }

  std::string description() const override { return "RaftEncoder"; }

 private:
  bool blocked_;  ///< no layer has to convert
};

std::shared_ptr<nn::Module> build(const char* name, const Stages& stages, const RaftEncoderOptions& options) {
  COPPICE_CHECK(options.output_channels >= 1 && options.input_channels >= 1, "[", name,
                "] expects input and output channels above 0; got ", options.input_channels, " and ",
                options.output_channels);
  auto model = std::make_shared<RaftEncoder>(stages, options);
  if (options.draw) nn::initialize(*model, options.seed);
  return model;
}

}  // namespace

std::shared_ptr<nn::Module> raft_encoder(const RaftEncoderOptions& options) {
  return build("raft_encoder", {.stem = 64, .widths = {64, 96, 128}, .bottleneck = false}, options);
}

std::shared_ptr<nn::Module> raft_small_encoder(const RaftEncoderOptions& options) {
  return build("raft_small_encoder", {.stem = 32, .widths = {32, 64, 96}, .bottleneck = true}, options);
}

}  // namespace coppice::models
