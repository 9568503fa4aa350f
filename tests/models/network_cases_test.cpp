// The case lists of benchmarks hold exactly the convolutions that the networks have.

#include "tests/cases/network_cases.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <map>

#include <coppice/models/nn/prunable.h>
#include <coppice/models/resnet.h>

namespace coppice {
namespace {

using Count = std::map<std::array<std::int64_t, 3>, std::int64_t>;  // by outputs, inputs, kernel

Count convolutions_of(nn::Module& network) {
  Count count;
  for (const nn::PrunableWeight& weight : nn::prunable(network)) {
    const Shape& shape = weight.shape();
    if (shape.rank() == 4) ++count[{shape[0], shape[1], shape[2]}];
  }
  return count;
}

Count listed(const std::vector<cases::LayerCase>& layers) {
  Count count;
  for (const cases::LayerCase& layer : layers) count[{layer.outputs, layer.inputs, layer.kernel}] += layer.count;
  return count;
}

/// 2 · multiply-adds per image.
double flops(const std::vector<cases::LayerCase>& layers) {
  double sum = 0.0;
  for (const cases::LayerCase& c : layers) {
    sum += 2.0 * static_cast<double>(c.count * c.inputs * c.outputs * c.kernel * c.kernel * c.output_size() *
                                     c.output_size());
  }
  return sum;
}

TEST(NetworkCases, AreResNet50) {
  EXPECT_EQ(listed(cases::resnet50_layers()), convolutions_of(*models::resnet50({.draw = false})));
  EXPECT_NEAR(flops(cases::resnet50_layers()), 8.17e9, 0.02e9);  // as published: 4.09 billion multiply-adds
}

TEST(NetworkCases, AreResNet18ForCifar) {
  const auto network = models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .draw = false});
  EXPECT_EQ(listed(cases::resnet18_cifar_layers()), convolutions_of(*network));
  EXPECT_NEAR(flops(cases::resnet18_cifar_layers()), 2 * 0.5558e9, 0.01e9);
}

TEST(NetworkCases, CoverWhatIsPromised) {
  const auto has = [](std::int64_t size) {
    return std::ranges::any_of(cases::goal_products(),
                               [=](const auto& c) { return c.m == size && c.n == size && c.k == size; });
  };
  EXPECT_TRUE(has(256) && has(512) && has(1024) && has(2048));
  for (const cases::ProductCase& c : cases::goal_products()) EXPECT_GE(c.n, 196) << c;
  for (const std::int64_t columns : {49, 1}) {
    EXPECT_TRUE(std::ranges::any_of(cases::tail_products(), [=](const auto& c) { return c.n == columns; }));
  }
  EXPECT_EQ(cases::sparse_layers().size(), 4U);
}

}  // namespace
}  // namespace coppice
