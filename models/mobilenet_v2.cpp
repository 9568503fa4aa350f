#include <sstream>

#include <coppice/models/convolution_layers.h>
#include <coppice/models/mobilenet.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/elementwise.h>

namespace coppice::models {

namespace {

using detail::conv;
using detail::norm;

std::shared_ptr<nn::Sequential> conv_norm_relu6(std::int64_t in, std::int64_t out, std::int64_t kernel,
                                                std::int64_t stride = 1, std::int64_t groups = 1) {
  auto layers = std::make_shared<nn::Sequential>();
  layers->append(conv(in, out, kernel, stride, groups)).append(norm(out)).append(std::make_shared<nn::ReLU6>());
  return layers;
}

/// 1 × 1 to `expansion` times as many channels, depthwise 3 × 3, 1 × 1 without an activation; + input where it fits.
class InvertedResidual : public nn::Module {
 public:
  InvertedResidual(std::int64_t in, std::int64_t out, std::int64_t stride, std::int64_t expansion)
      : in_(in), out_(out), adds_(stride == 1 && in == out) {
    const std::int64_t hidden = in * expansion;
    auto layers = std::make_shared<nn::Sequential>();
    if (expansion != 1) layers->append(conv_norm_relu6(in, hidden, 1));
    layers->append(conv_norm_relu6(hidden, hidden, 3, stride, hidden));
    layers->append(conv(hidden, out, 1));
    layers->append(norm(out));
    register_module("conv", layers);
  }

  Tensor forward(const Tensor& input) override {
    const Tensor output = module("conv")(input);
    return adds_ ? input + output : output;
  }

  std::string description() const override {
    std::ostringstream text;
    text << "InvertedResidual(" << in_ << ", " << out_ << ')';
    return text.str();
  }

 private:
  std::int64_t in_;
  std::int64_t out_;
  bool adds_;
};

/// The multiple of 8 nearest to `channels`, but not less than nine tenths of it.
std::int64_t round_to_eights(double channels) {
  const auto nearest = std::max<std::int64_t>(8, static_cast<std::int64_t>(channels + 4.0) / 8 * 8);
  return static_cast<double>(nearest) < 0.9 * channels ? nearest + 8 : nearest;
}

class MobileNetV2 : public nn::Module {
 public:
  explicit MobileNetV2(const MobileNetOptions& options) {
    struct Stage {
      std::int64_t expansion, out, blocks, stride;
    };
    constexpr std::array<Stage, 7> kStages{
        {{1, 16, 1, 1}, {6, 24, 2, 2}, {6, 32, 3, 2}, {6, 64, 4, 2}, {6, 96, 3, 1}, {6, 160, 3, 2}, {6, 320, 1, 1}}};
    const auto scaled = [&](std::int64_t channels) {
      return round_to_eights(static_cast<double>(channels) * options.width);
    };
    auto features = std::make_shared<nn::Sequential>();
    std::int64_t in = scaled(32);
    features->append(conv_norm_relu6(options.input_channels, in, 3, 2));
    for (const Stage& stage : kStages) {
      const std::int64_t out = scaled(stage.out);
      for (std::int64_t b = 0; b < stage.blocks; ++b) {
        features->append(std::make_shared<InvertedResidual>(in, out, b == 0 ? stage.stride : 1, stage.expansion));
        in = out;
      }
    }
    // The last layer is widened, never narrowed.
    const std::int64_t last = std::max<std::int64_t>(1280, scaled(1280));
    features->append(conv_norm_relu6(in, last, 1));
    register_module("features", features);
    register_module("avgpool", std::make_shared<nn::AdaptiveAvgPool2d>(std::array<std::int64_t, 2>{1, 1}));
    auto classifier = std::make_shared<nn::Sequential>();
    classifier->append("1", std::make_shared<nn::Linear>(last, options.num_classes));  // 0 is a dropout elsewhere
    register_module("classifier", classifier);
  }

  Tensor forward(const Tensor& input) override {
    const Tensor features = module("features")(detail::batch_format(input));
    return module("classifier")(module("avgpool")(features).flatten(1));
  }

  std::string description() const override { return "MobileNetV2"; }
};

}  // namespace

std::shared_ptr<nn::Module> mobilenet_v2(const MobileNetOptions& options) {
  COPPICE_CHECK(options.num_classes >= 1 && options.input_channels >= 1 && options.width > 0.0,
                "[mobilenet_v2] expects classes, input channels and a width above 0; got ", options.num_classes, ", ",
                options.input_channels, " and ", options.width);
  auto model = std::make_shared<MobileNetV2>(options);
  if (options.draw) nn::initialize(*model, options.seed);
  return model;
}

}  // namespace coppice::models
