#include <coppice/models/resnet.h>

#include <span>
#include <sstream>
#include <string>

#include <coppice/models/convolution_layers.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/sequential.h>

namespace coppice::models {

namespace {

constexpr std::int64_t kBottleneckExpansion = 4;

using detail::conv;
using detail::norm;

/// relu(branch(x) + shortcut(x)); children are named as in torchvision's BasicBlock and Bottleneck.
class Block : public nn::Module {
 public:
  Block(ResNetBlock kind, std::int64_t in, std::int64_t width, std::int64_t stride, bool zero_init)
      : kind_(kind), in_(in), out_(outputs(kind, width)), stride_(stride) {
    const double last = zero_init ? 0.0 : 1.0;
    if (kind == ResNetBlock::Basic) {
      register_module("conv1", conv(in, width, 3, stride));
      register_module("bn1", norm(width));
      register_module("relu", std::make_shared<nn::ReLU>());
      register_module("conv2", conv(width, width, 3));
      register_module("bn2", norm(width, last));
    } else {
      register_module("conv1", conv(in, width, 1));
      register_module("bn1", norm(width));
      register_module("conv2", conv(width, width, 3, stride));
      register_module("bn2", norm(width));
      register_module("conv3", conv(width, out_, 1));
      register_module("bn3", norm(out_, last));
      register_module("relu", std::make_shared<nn::ReLU>());
    }
    if (stride != 1 || in != out_) {
      auto downsample = std::make_shared<nn::Sequential>();
      downsample->append(conv(in, out_, 1, stride)).append(norm(out_));
      register_module("downsample", downsample);
    }
  }

  static std::int64_t outputs(ResNetBlock kind, std::int64_t width) {
    return kind == ResNetBlock::Basic ? width : width * kBottleneckExpansion;
  }

  Tensor forward(const Tensor& input) override {
    Module& relu = module("relu");
    const bool projects = stride_ != 1 || in_ != out_;
    const Tensor shortcut = projects ? module("downsample")(input) : input;
    const Tensor first = nn::conv_norm_relu(module("conv1"), module("bn1"), relu, input);
    if (kind_ == ResNetBlock::Basic) {
      return nn::conv_norm_relu(module("conv2"), module("bn2"), relu, first, shortcut);
    }
    const Tensor second = nn::conv_norm_relu(module("conv2"), module("bn2"), relu, first);
    return nn::conv_norm_relu(module("conv3"), module("bn3"), relu, second, shortcut);
  }

  std::string description() const override {
    std::ostringstream text;
    text << (kind_ == ResNetBlock::Basic ? "BasicBlock(" : "Bottleneck(") << in_ << ", " << out_;
    if (stride_ != 1) text << ", stride=" << stride_;
    text << ')';
    return text.str();
  }

 private:
  ResNetBlock kind_;
  std::int64_t in_;
  std::int64_t out_;
  std::int64_t stride_;
};

class ResNet : public nn::Module {
 public:
  ResNet(ResNetBlock block, std::span<const std::int64_t> blocks, const ResNetOptions& options)
      : has_pool_(options.stem == ResNetStem::Large), stages_(blocks.size()) {
    register_module("conv1", has_pool_ ? conv(options.input_channels, options.width, 7, 2)
                                       : conv(options.input_channels, options.width, 3));
    register_module("bn1", norm(options.width));
    register_module("relu", std::make_shared<nn::ReLU>());
    if (has_pool_) {
      const MaxPool2dOptions pool{.stride = std::array<std::int64_t, 2>{2, 2}, .padding = {1, 1}};
      register_module("maxpool", std::make_shared<nn::MaxPool2d>(3, pool));
    }
    std::int64_t in = options.width;
    for (std::size_t i = 0; i < blocks.size(); ++i) {
      COPPICE_CHECK(blocks[i] >= 1, "[resnet] expects at least one block in every stage; got ", blocks[i]);
      const std::int64_t width = options.width << i;
      auto stage = std::make_shared<nn::Sequential>();
      for (std::int64_t b = 0; b < blocks[i]; ++b) {
        const std::int64_t stride = i > 0 && b == 0 ? 2 : 1;
        stage->append(std::make_shared<Block>(block, in, width, stride, options.zero_init_residual));
        in = Block::outputs(block, width);
      }
      register_module(stage_name(i), stage);
    }
    register_module("avgpool", std::make_shared<nn::AdaptiveAvgPool2d>(std::array<std::int64_t, 2>{1, 1}));
    register_module("fc", std::make_shared<nn::Linear>(in, options.num_classes));
  }

  Tensor forward(const Tensor& input) override {
    Tensor x = nn::conv_norm_relu(module("conv1"), module("bn1"), module("relu"), detail::batch_format(input));
    if (has_pool_) x = module("maxpool")(x);
    for (std::size_t i = 0; i < stages_; ++i) x = module(stage_name(i))(x);
    return module("fc")(module("avgpool")(x).flatten(1));
  }

  std::string description() const override { return "ResNet"; }

 private:
  static std::string stage_name(std::size_t index) {
    std::string name = "layer";
    return name += std::to_string(index + 1);
  }

  bool has_pool_;
  std::size_t stages_;
};

std::shared_ptr<nn::Module> build(ResNetBlock block, std::span<const std::int64_t> blocks,
                                  const ResNetOptions& options) {
  COPPICE_CHECK(options.num_classes >= 1 && options.input_channels >= 1 && options.width >= 1,
                "[resnet] expects at least one class, input channel and channel; got ", options.num_classes, ", ",
                options.input_channels, " and ", options.width);
  auto model = std::make_shared<ResNet>(block, blocks, options);
  if (options.draw) nn::initialize(*model, options.seed);
  return model;
}

}  // namespace

std::shared_ptr<nn::Module> resnet(ResNetBlock block, std::array<std::int64_t, 4> blocks,
                                   const ResNetOptions& options) {
  return build(block, blocks, options);
}

std::shared_ptr<nn::Module> resnet18(const ResNetOptions& options) {
  return resnet(ResNetBlock::Basic, {2, 2, 2, 2}, options);
}
std::shared_ptr<nn::Module> resnet34(const ResNetOptions& options) {
  return resnet(ResNetBlock::Basic, {3, 4, 6, 3}, options);
}
std::shared_ptr<nn::Module> resnet50(const ResNetOptions& options) {
  return resnet(ResNetBlock::Bottleneck, {3, 4, 6, 3}, options);
}
std::shared_ptr<nn::Module> resnet101(const ResNetOptions& options) {
  return resnet(ResNetBlock::Bottleneck, {3, 4, 23, 3}, options);
}
std::shared_ptr<nn::Module> resnet152(const ResNetOptions& options) {
  return resnet(ResNetBlock::Bottleneck, {3, 8, 36, 3}, options);
}

std::shared_ptr<nn::Module> cifar_resnet(std::int64_t blocks, const CifarResNetOptions& options) {
  return build(ResNetBlock::Basic, std::array{blocks, blocks, blocks},
               {.num_classes = options.num_classes,
                .zero_init_residual = options.zero_init_residual,
                .stem = ResNetStem::Small,
                .input_channels = options.input_channels,
                .width = options.width,
                .seed = options.seed,
                .draw = options.draw});
}

std::shared_ptr<nn::Module> resnet20(const CifarResNetOptions& options) { return cifar_resnet(3, options); }
std::shared_ptr<nn::Module> resnet32(const CifarResNetOptions& options) { return cifar_resnet(5, options); }
std::shared_ptr<nn::Module> resnet56(const CifarResNetOptions& options) { return cifar_resnet(9, options); }

}  // namespace coppice::models
