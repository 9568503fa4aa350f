#include <coppice/models/wide_resnet.h>

#include <sstream>

#include <coppice/models/convolution_layers.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/elementwise.h>

namespace coppice::models {

namespace {

using detail::conv;
using detail::norm;

/// conv2(relu(bn2(conv1(a)))) + shortcut, a = relu(bn1(x)); the shortcut is x, or a convolution of a where the width
/// changes.
class PreActivationBlock : public nn::Module {
 public:
  PreActivationBlock(std::int64_t in, std::int64_t out, std::int64_t stride) : in_(in), out_(out) {
    register_module("bn1", norm(in));
    register_module("relu1", std::make_shared<nn::ReLU>());
    register_module("conv1", conv(in, out, 3, stride));
    register_module("bn2", norm(out));
    register_module("relu2", std::make_shared<nn::ReLU>());
    register_module("conv2", conv(out, out, 3));
    if (in != out) register_module("convShortcut", conv(in, out, 1, stride));
  }

  Tensor forward(const Tensor& input) override {
    const Tensor active = nn::norm_relu(module("bn1"), module("relu1"), input);
    const Tensor inner = nn::norm_relu(module("bn2"), module("relu2"), module("conv1")(active));
    return module("conv2")(inner) + (in_ != out_ ? module("convShortcut")(active) : input);
  }

  std::string description() const override {
    std::ostringstream text;
    text << "PreActivationBlock(" << in_ << ", " << out_ << ')';
    return text.str();
  }

 private:
  std::int64_t in_;
  std::int64_t out_;
};

class WideResNet : public nn::Module {
 public:
  explicit WideResNet(const WideResNetOptions& options) {
    const std::int64_t blocks = (options.depth - 4) / 6;
    std::int64_t in = 16;
    register_module("conv1", conv(options.input_channels, in, 3));
    for (int group = 0; group < kGroups; ++group) {
      const std::int64_t out = (16 * options.widen) << group;
      auto layers = std::make_shared<nn::Sequential>();
      for (std::int64_t b = 0; b < blocks; ++b) {
        layers->append(std::make_shared<PreActivationBlock>(in, out, group > 0 && b == 0 ? 2 : 1));
        in = out;
      }
      // One level more, `block1.layer.0`, as the names of published weights have it.
      auto block = std::make_shared<nn::Sequential>();
      block->append("layer", layers);
      register_module(group_name(group), block);
    }
    register_module("bn1", norm(in));
    register_module("relu", std::make_shared<nn::ReLU>());
    register_module("avgpool", std::make_shared<nn::AdaptiveAvgPool2d>(std::array<std::int64_t, 2>{1, 1}));
    register_module("fc", std::make_shared<nn::Linear>(in, options.num_classes));
  }

  Tensor forward(const Tensor& input) override {
    Tensor x = module("conv1")(detail::batch_format(input));
    for (int group = 0; group < kGroups; ++group) x = module(group_name(group))(x);
    x = nn::norm_relu(module("bn1"), module("relu"), x);
    return module("fc")(module("avgpool")(x).flatten(1));
  }

  std::string description() const override { return "WideResNet"; }

 private:
  static constexpr int kGroups = 3;
  static std::string group_name(int index) {
    std::string name = "block";
    return name += std::to_string(index + 1);
  }
};

}  // namespace

std::shared_ptr<nn::Module> wide_resnet(const WideResNetOptions& options) {
  COPPICE_CHECK(options.depth >= 10 && options.depth % 6 == 4, "[wide_resnet] expects a depth of 6 · n + 4; got ",
                options.depth);
  COPPICE_CHECK(options.widen >= 1 && options.num_classes >= 1 && options.input_channels >= 1,
                "[wide_resnet] expects a widening, classes and input channels of at least one; got ", options.widen,
                ", ", options.num_classes, " and ", options.input_channels);
  auto model = std::make_shared<WideResNet>(options);
  if (options.draw) nn::initialize(*model, options.seed);
  return model;
}

}  // namespace coppice::models
