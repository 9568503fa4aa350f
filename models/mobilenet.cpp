#include <coppice/models/mobilenet.h>

#include <algorithm>
#include <array>

#include <coppice/models/convolution_layers.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>

namespace coppice::models {

namespace {

using detail::conv;
using detail::norm;

/// Convolutions, each with its batch norm and ReLU, numbered through.
class ConvNormReluChain : public nn::Module {
 public:
  explicit ConvNormReluChain(const std::vector<std::shared_ptr<nn::Conv2d>>& convolutions)
      : convolutions_(convolutions.size()) {
    for (std::size_t i = 0; i < convolutions.size(); ++i) {
      register_module(std::to_string(3 * i), convolutions[i]);
      register_module(std::to_string(3 * i + 1), norm(convolutions[i]->weight().size(0)));
      register_module(std::to_string(3 * i + 2), std::make_shared<nn::ReLU>());
    }
  }

  Tensor forward(const Tensor& input) override {
    Tensor x = input;
    for (std::size_t i = 0; i < convolutions_; ++i) {
      x = nn::conv_norm_relu(module(std::to_string(3 * i)), module(std::to_string(3 * i + 1)),
                             module(std::to_string(3 * i + 2)), x);
    }
    return x;
  }

  std::string description() const override { return "ConvNormReluChain"; }

 private:
  std::size_t convolutions_;
};

class MobileNetV1 : public nn::Module {
 public:
  explicit MobileNetV1(const MobileNetOptions& options) {
    struct Pair {
      std::int64_t out, stride;
    };
    constexpr std::array<Pair, 13> kPairs{{{64, 1},
                                           {128, 2},
                                           {128, 1},
                                           {256, 2},
                                           {256, 1},
                                           {512, 2},
                                           {512, 1},
                                           {512, 1},
                                           {512, 1},
                                           {512, 1},
                                           {512, 1},
                                           {1024, 2},
                                           {1024, 1}}};
    const auto scaled = [&](std::int64_t channels) {
      return std::max<std::int64_t>(1, static_cast<std::int64_t>(static_cast<double>(channels) * options.width));
    };
    using Chain = std::vector<std::shared_ptr<nn::Conv2d>>;
    auto layers = std::make_shared<nn::Sequential>();
    std::int64_t in = scaled(32);
    layers->append(std::make_shared<ConvNormReluChain>(Chain{conv(options.input_channels, in, 3, 2)}));
    for (const Pair& pair : kPairs) {
      const std::int64_t out = scaled(pair.out);
      layers->append(std::make_shared<ConvNormReluChain>(Chain{conv(in, in, 3, pair.stride, in), conv(in, out, 1)}));
      in = out;
    }
    register_module("model", layers);
    register_module("avgpool", std::make_shared<nn::AdaptiveAvgPool2d>(std::array<std::int64_t, 2>{1, 1}));
    register_module("fc", std::make_shared<nn::Linear>(in, options.num_classes));
  }

  Tensor forward(const Tensor& input) override {
    const Tensor features = module("model")(detail::batch_format(input));
    return module("fc")(module("avgpool")(features).flatten(1));
  }

  std::string description() const override { return "MobileNetV1"; }
};

}  // namespace

std::shared_ptr<nn::Module> mobilenet_v1(const MobileNetOptions& options) {
  COPPICE_CHECK(options.num_classes >= 1 && options.input_channels >= 1 && options.width > 0.0,
                "[mobilenet_v1] expects classes, input channels and a width above 0; got ", options.num_classes, ", ",
                options.input_channels, " and ", options.width);
  auto model = std::make_shared<MobileNetV1>(options);
  if (options.draw) nn::initialize(*model, options.seed);
  return model;
}

}  // namespace coppice::models
