#include <coppice/sparsity/distribution.h>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/sparsity/cost.h>

namespace coppice::sparsity {
namespace {

struct Network {
  std::vector<LayerShape> layers;
  std::vector<double> macs;

  void add(const std::string& name, const Shape& shape, int output_side) {
    layers.push_back({name, shape});
    macs.push_back(static_cast<double>(shape.numel()) * output_side * output_side);
  }
  std::int64_t numel() const {
    std::int64_t sum = 0;
    for (const LayerShape& layer : layers) sum += layer.shape.numel();
    return sum;
  }
  double total_macs() const { return forward_flops(macs, std::vector<double>(macs.size(), 1.0)).dense; }
};

/// torchvision's ResNet-50 at 224 px: bottlenecks, stride in the 3×3.
Network resnet50() {
  Network net;
  net.add("conv1", {64, 3, 7, 7}, 112);
  std::int64_t in = 64;
  const int blocks[] = {3, 4, 6, 3};
  int side = 56;
  for (int stage = 0; stage < 4; ++stage) {
    const std::int64_t width = std::int64_t{64} << stage;
    const int out_side = stage == 0 ? 56 : side / 2;
    for (int block = 0; block < blocks[stage]; ++block) {
      const std::string name = "layer" + std::to_string(stage + 1) + "." + std::to_string(block) + ".";
      net.add(name + "conv1", {width, in, 1, 1}, block == 0 ? side : out_side);
      net.add(name + "conv2", {width, width, 3, 3}, out_side);
      net.add(name + "conv3", {4 * width, width, 1, 1}, out_side);
      if (block == 0) net.add(name + "downsample.0", {4 * width, in, 1, 1}, out_side);
      in = 4 * width;
    }
    side = out_side;
  }
  net.add("fc", {1000, 2048}, 1);
  return net;
}

/// WideResNet-22-2 for CIFAR: three groups of three basic blocks, a 1×1 shortcut where the width changes.
Network wrn22_2() {
  Network net;
  net.add("conv1", {16, 3, 3, 3}, 32);
  std::int64_t in = 16;
  for (int group = 0; group < 3; ++group) {
    const std::int64_t width = std::int64_t{32} << group;
    const int side = 32 >> group;
    for (int block = 0; block < 3; ++block) {
      const std::string name = "group" + std::to_string(group + 1) + "." + std::to_string(block) + ".";
      net.add(name + "conv1", {width, in, 3, 3}, side);
      net.add(name + "conv2", {width, width, 3, 3}, side);
      if (block == 0) net.add(name + "shortcut", {width, in, 1, 1}, side);
      in = width;
    }
  }
  net.add("fc", {10, 128}, 1);
  return net;
}

std::map<std::string, double> by_name(const Network& net, const LayerDensities& densities) {
  std::map<std::string, double> result;
  for (std::size_t l = 0; l < net.layers.size(); ++l) result[net.layers[l].name] = densities.densities[l];
  return result;
}

struct Golden {
  double sparsity, epsilon, erk_flops, uniform_flops;
};

void expect_golden(const Network& net, const std::vector<Golden>& table) {
  for (const Golden& row : table) {
    SCOPED_TRACE(row.sparsity);
    const double density = 1.0 - row.sparsity;
    const LayerDensities erk = layer_densities(Distribution::Erk, net.layers, density);
    EXPECT_NEAR(erk.epsilon, row.epsilon, 5e-4);
    const ForwardFlops flops = forward_flops(net.macs, erk.densities);
    EXPECT_NEAR(flops.sparse / flops.dense, row.erk_flops, 5e-4);
    const LayerDensities uniform = layer_densities(Distribution::Uniform, net.layers, density, {.dense_first = true});
    EXPECT_NEAR(forward_flops(net.macs, uniform.densities).sparse / flops.dense, row.uniform_flops, 5e-4);

    std::int64_t alive = 0;
    for (std::size_t l = 0; l < net.layers.size(); ++l) {
      alive += alive_count(net.layers[l].shape.numel(), erk.densities[l]);
    }
    EXPECT_NEAR(static_cast<double>(alive), density * static_cast<double>(net.numel()),
                static_cast<double>(net.layers.size()));
  }
}

TEST(Distribution, ErkMeetsTheGoldenTableOnResNet50) {
  const Network net = resnet50();
  ASSERT_EQ(net.numel(), 25'502'912);
  EXPECT_NEAR(net.total_macs(), 4.089e9, 5e5);
  expect_golden(net, {{.80, 99.561, .414, .223}, {.90, 48.786, .242, .126}, {.95, 24.372, .122, .077}});

  const auto densities = by_name(net, layer_densities(Distribution::Erk, net.layers, 0.1));
  EXPECT_NEAR(densities.at("conv1"), .420, 5e-4);
  EXPECT_EQ(densities.at("layer1.0.conv1"), 1.0);
  EXPECT_NEAR(densities.at("layer1.0.conv2"), .177, 5e-4);
  EXPECT_NEAR(densities.at("layer1.0.conv3"), .959, 5e-4);
  EXPECT_NEAR(densities.at("layer2.1.conv2"), .0867, 5e-5);
  EXPECT_NEAR(densities.at("layer3.1.conv2"), .0428, 5e-5);
  EXPECT_NEAR(densities.at("layer4.1.conv2"), .0213, 5e-5);
  EXPECT_NEAR(densities.at("fc"), .0726, 5e-5);
  for (const auto& [name, density] : densities) EXPECT_EQ(density == 1.0, name == "layer1.0.conv1") << name;
}

TEST(Distribution, ErkMeetsTheGoldenTableOnWideResNet) {
  const Network net = wrn22_2();
  ASSERT_EQ(net.numel(), 1'076'912);
  EXPECT_NEAR(net.total_macs(), 1.577e8, 5e4);
  expect_golden(net, {{.80, 75.603, .352, .202}, {.90, 35.934, .174, .103}, {.95, 17.346, .088, .053}});

  const auto densities = by_name(net, layer_densities(Distribution::Erk, net.layers, 0.1));
  for (const auto& [name, density] : densities) {
    const bool dense = name == "conv1" || name == "fc" || name == "group1.0.shortcut" || name == "group2.0.shortcut";
    EXPECT_EQ(density == 1.0, dense) << name;
  }
  EXPECT_NEAR(densities.at("group3.0.shortcut"), .851, 5e-4);
  EXPECT_NEAR(densities.at("group3.0.conv1"), .0965, 5e-5);
  EXPECT_NEAR(densities.at("group3.1.conv1"), .0638, 5e-5);
}

TEST(Distribution, ErLeavesTheKernelOut) {
  const std::vector<LayerShape> layers{{"a", {64, 64, 3, 3}}, {"b", {128, 64, 1, 1}}};
  const LayerDensities er = layer_densities(Distribution::Er, layers, 0.05);
  EXPECT_NEAR(er.densities[0] / er.densities[1], (128.0 / 4096.0) / (192.0 / 8192.0), 1e-12);
  const double kept = er.densities[0] * 36864 + er.densities[1] * 8192;
  EXPECT_NEAR(kept, 0.05 * (36864 + 8192), 1e-6);
}

TEST(Distribution, DenseLayersArePaidForByErkOnly) {
  const std::vector<LayerShape> layers{{"a", {100, 100}}, {"b", {200, 100}}, {"c", {10, 200}}};
  const LayerDensities erk =
      layer_densities(Distribution::Erk, layers, 0.2, {.dense_first = false, .dense_last = true});
  EXPECT_EQ(erk.densities[2], 1.0);
  EXPECT_NEAR(erk.densities[0] * 10000 + erk.densities[1] * 20000 + 2000, 0.2 * 32000, 1e-6);
  const LayerDensities uniform =
      layer_densities(Distribution::Uniform, layers, 0.2, {.dense_first = true, .dense_last = true});
  EXPECT_EQ(uniform.densities, (std::vector<double>{1.0, 0.2, 1.0}));
  EXPECT_THROW(layer_densities(Distribution::Erk, layers, 0.01, {.dense_last = true}), Error);
  EXPECT_EQ(layer_densities(Distribution::Erk, layers, 1.0).densities, (std::vector<double>{1.0, 1.0, 1.0}));
}

TEST(Distribution, CountsAreExact) {
  EXPECT_EQ(alive_count(1000, 0.1), 100);
  EXPECT_EQ(alive_count(1005, 0.1), 101);  // floor(904.5) zeros
  EXPECT_EQ(alive_count(7, 0.0), 0);
  EXPECT_EQ(alive_count(7, 1.0), 7);
  for (std::int64_t n = 10; n < 100'000; n = n * 3 + 10) EXPECT_EQ(alive_count(n - n % 10, 0.3), (n - n % 10) * 3 / 10);
}

}  // namespace
}  // namespace coppice::sparsity
