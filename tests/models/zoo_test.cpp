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
#include <coppice/models/wide_resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/memory_format.h>

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
           568740352}};
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
  const auto mobile = mobilenet_v1({.draw = false});
  EXPECT_EQ(mobile->parameter("model.0.0.weight").shape(), (Shape{32, 3, 3, 3}));
  EXPECT_EQ(mobile->parameter("model.13.0.weight").shape(), (Shape{1024, 1, 3, 3}));
  EXPECT_EQ(mobile->parameter("model.13.3.weight").shape(), (Shape{1024, 1024, 1, 1}));
  EXPECT_EQ(mobile->parameter("fc.weight").shape(), (Shape{1000, 1024}));
}

TEST(Zoo, RefusesImpossibleSizes) {
  EXPECT_EQ(error_of([] { wide_resnet({.depth = 20}); }), "[wide_resnet] expects a depth of 6 · n + 4; got 20");
  EXPECT_EQ(error_of([] { mobilenet_v1({.width = 0.0}); }),
            "[mobilenet_v1] expects classes, input channels and a width above 0; got 1000, 3 and 0");
}

}  // namespace
}  // namespace coppice::models
