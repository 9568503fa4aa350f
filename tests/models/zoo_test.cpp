// The networks beside resnet.h: sizes and costs as published, and that they learn from every layer.

#include <algorithm>
#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/models/mobilenet.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/nn/summary.h>
#include <coppice/models/raft_encoder.h>
#include <coppice/models/wide_resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/reduce.h>

#include "tests/error_of.h"

namespace coppice::models {
namespace {

struct Network {
  std::string name;
  std::function<std::shared_ptr<nn::Module>(bool draw)> build;
  std::int64_t parameters;
  std::int64_t prunable_weights;
  Shape image;
  double macs;
};

std::vector<Network> networks() {
  return {{"WideResNet22x2",
           [](bool draw) { return wide_resnet({.seed = 1, .draw = draw}); },
           1079642,
           1076912,
           {1, 3, 32, 32},
           157730048},
          {"MobileNetV1",
           [](bool draw) { return mobilenet_v1({.seed = 1, .draw = draw}); },
           4231976,
           4209088,
           {1, 3, 224, 224},
           568740352},
          {"MobileNetV2",
           [](bool draw) { return mobilenet_v2({.seed = 1, .draw = draw}); },
           3504872,
           3469760,
           {1, 3, 224, 224},
           300774272}};
}

TEST(Zoo, HasThePublishedSizesAndCosts) {
  for (const Network& network : networks()) {
    const auto model = network.build(true);
    EXPECT_EQ(model->parameter_count(), network.parameters) << network.name;
    std::int64_t weights = 0;
    for (const nn::PrunableWeight& weight : nn::prunable(*model)) weights += weight.tensor().numel();
    EXPECT_EQ(weights, network.prunable_weights) << network.name;
    EXPECT_EQ(nn::summary(*model, network.image).total.dense_macs, network.macs) << network.name;
  }
}

TEST(Zoo, EveryParameterGetsAGradientInBothFormats) {
  Generator generator(3);
  for (const Network& network : networks()) {
    for (const std::int64_t batch : {std::int64_t{2}, image_block(kFloat32)}) {
      const auto model = network.build(true);
      model->train();
      const Tensor images = Tensor::randn({batch, 3, 32, 32}, generator);
      const Tensor labels = Tensor::randint(0, 10, {batch}, generator);
      const FormatScope formats;
      cross_entropy((*model)(images), labels).backward();
      EXPECT_EQ(formats.conversions(), batch == 2 ? 0 : 2) << network.name;
      for (const nn::NamedTensor& parameter : model->named_parameters()) {
        ASSERT_TRUE(parameter.tensor.grad().defined()) << network.name << ' ' << parameter.name;
        EXPECT_TRUE(std::isfinite(parameter.tensor.grad().to_dense().to_vector<float>().front())) << parameter.name;
      }
    }
  }
}

TEST(Zoo, BothFormatsAndFoldingAgree) {
  Generator generator(4);
  const NoGrad no_grad;
  for (const Network& network : networks()) {
    const auto model = network.build(true);
    const std::int64_t batch = image_block(kFloat32);
    const Tensor images = Tensor::randn({batch, 3, 32, 32}, generator);
    model->train();
    (*model)(images);  // running statistics that are not the identity
    model->eval();
    const std::vector<float> together = (*model)(images).to_vector<float>();
    const std::vector<float> alone = (*model)(images.narrow(0, 0, 1).contiguous()).to_vector<float>();
    nn::fold_batch_norm(*model, {1, 3, 32, 32});
    const std::vector<float> folded = (*model)(images).to_vector<float>();
    float largest = 0.0F;
    for (const float value : together) largest = std::max(largest, std::abs(value));
    for (std::size_t i = 0; i < together.size(); ++i) {
      if (i < alone.size()) {
        EXPECT_NEAR(alone[i], together[i], 1e-4F * largest) << network.name;
      }
      EXPECT_NEAR(folded[i], together[i], 1e-4F * largest) << network.name;
    }
  }
}

TEST(Zoo, HasTheNamesOfPublishedWeights) {
  const auto wide = wide_resnet({.draw = false});
  EXPECT_EQ(wide->parameter("block1.layer.0.convShortcut.weight").shape(), (Shape{32, 16, 1, 1}));
  EXPECT_EQ(wide->parameter("block3.layer.2.conv2.weight").shape(), (Shape{128, 128, 3, 3}));
  const auto second = mobilenet_v2({.draw = false});
  EXPECT_EQ(second->parameter("features.0.0.weight").shape(), (Shape{32, 3, 3, 3}));
  EXPECT_EQ(second->parameter("features.1.conv.0.0.weight").shape(), (Shape{32, 1, 3, 3}));
  EXPECT_EQ(second->parameter("features.2.conv.1.0.weight").shape(), (Shape{96, 1, 3, 3}));
  EXPECT_EQ(second->parameter("features.17.conv.3.weight").shape(), (Shape{320}));
  EXPECT_EQ(second->parameter("classifier.1.weight").shape(), (Shape{1000, 1280}));
  const auto mobile = mobilenet_v1({.draw = false});
  EXPECT_EQ(mobile->parameter("model.0.0.weight").shape(), (Shape{32, 3, 3, 3}));
  EXPECT_EQ(mobile->parameter("model.13.0.weight").shape(), (Shape{1024, 1, 3, 3}));
  EXPECT_EQ(mobile->parameter("model.13.3.weight").shape(), (Shape{1024, 1024, 1, 1}));
  EXPECT_EQ(mobile->parameter("fc.weight").shape(), (Shape{1000, 1024}));
}

TEST(Zoo, WidthsOfMobileNetV2AreMultiplesOfEight) {
  const auto half = mobilenet_v2({.width = 0.35, .draw = false});
  EXPECT_EQ(half->parameter("features.0.0.weight").size(0), 16);  // 11.2, not less than nine tenths of it
  EXPECT_EQ(half->parameter("features.18.0.weight").size(0), 1280);
  EXPECT_EQ(half->parameter_count(), 1677128);
}

// Counted by hand from the authors' code, where a convolution has a bias even before a norm.
TEST(RaftEncoder, HasTheAuthorsSizesAndCosts) {
  struct Encoder {
    std::shared_ptr<nn::Module> model;
    std::int64_t parameters;
    double macs;
  };
  const Encoder encoders[] = {
      {raft_encoder({.norm = EncoderNorm::Instance}), 1066848, 1113325568},
      {raft_encoder({.norm = EncoderNorm::Batch}), 1069728, 1113325568},
      {raft_small_encoder(), 55264, 50954240},
      {raft_small_encoder({.output_channels = 160, .norm = EncoderNorm::None}), 58368, 51740672},
  };
  for (const Encoder& encoder : encoders) {
    EXPECT_EQ(encoder.model->parameter_count(), encoder.parameters);
    EXPECT_EQ(nn::summary(*encoder.model, {1, 3, 128, 128}).total.dense_macs, encoder.macs);
  }
}

TEST(RaftEncoder, EveryParameterGetsAGradientWhateverTheNorm) {
  Generator generator(6);
  for (const EncoderNorm norm : {EncoderNorm::None, EncoderNorm::Batch, EncoderNorm::Instance, EncoderNorm::Group}) {
    for (const auto& model : {raft_encoder({.output_channels = 16, .norm = norm, .seed = 2}),
                              raft_small_encoder({.output_channels = 16, .norm = norm, .seed = 2})}) {
      const Tensor features = (*model)(Tensor::randn({image_block(kFloat32), 3, 33, 40}, generator));
      EXPECT_EQ(features.shape(), (Shape{image_block(kFloat32), 16, 5, 5}));
      sum(features * Tensor::randn(features.shape(), generator)).backward();
      for (const nn::NamedTensor& parameter : model->named_parameters()) {
        ASSERT_TRUE(parameter.tensor.grad().defined()) << parameter.name;
        EXPECT_TRUE(std::isfinite(parameter.tensor.grad().to_vector<float>().front())) << parameter.name;
      }
    }
  }
}

TEST(RaftEncoder, HasTheNamesOfPublishedWeights) {
  const auto model = raft_encoder({.norm = EncoderNorm::Batch, .draw = false});
  EXPECT_EQ(model->parameter("conv1.weight").shape(), (Shape{64, 3, 7, 7}));
  EXPECT_EQ(model->parameter("norm1.weight").shape(), (Shape{64}));
  EXPECT_EQ(model->parameter("layer2.0.downsample.0.weight").shape(), (Shape{96, 64, 1, 1}));
  EXPECT_EQ(model->parameter("layer2.0.downsample.1.bias").shape(), (Shape{96}));
  EXPECT_EQ(model->parameter("layer3.1.conv2.bias").shape(), (Shape{128}));
  EXPECT_EQ(model->parameter("conv2.weight").shape(), (Shape{256, 128, 1, 1}));
  EXPECT_EQ(raft_small_encoder({.draw = false})->parameter("layer3.0.conv3.weight").shape(), (Shape{96, 24, 1, 1}));
}

TEST(Zoo, RefusesImpossibleSizes) {
  EXPECT_EQ(error_of([] { wide_resnet({.depth = 20}); }), "[wide_resnet] expects a depth of 6 · n + 4; got 20");
  EXPECT_EQ(error_of([] { mobilenet_v1({.width = 0.0}); }),
            "[mobilenet_v1] expects classes, input channels and a width above 0; got 1000, 3 and 0");
  EXPECT_EQ(error_of([] { raft_encoder({.output_channels = 0}); }),
            "[raft_encoder] expects input and output channels above 0; got 3 and 0");
}

}  // namespace
}  // namespace coppice::models
