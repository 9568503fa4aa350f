#include <coppice/models/nn/foreign_weights.h>

#include <cmath>
#include <filesystem>
#include <limits>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/pth.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/resnet.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

std::filesystem::path golden(const std::string& name) {
  return std::filesystem::path(COPPICE_SOURCE_DIR) / "tests" / "golden" / "pth" / name;
}

/// The network of tests/golden/pth.py.
std::shared_ptr<Sequential> golden_network() {
  auto network = std::make_shared<Sequential>();
  network->append(
      std::make_shared<Conv2d>(3, 6, 3, Conv2dLayerOptions{.stride = {2, 2}, .padding = {1, 1}, .bias = false}));
  network->append(std::make_shared<BatchNorm2d>(6)).append(std::make_shared<ReLU>());
  network->append(std::make_shared<Conv2d>(6, 4, 1)).append(std::make_shared<ReLU>());
  network->append(std::make_shared<Flatten>()).append(std::make_shared<Linear>(64, 5));
  network->eval();
  return network;
}

TEST(ForeignWeights, APyTorchCheckpointGivesPyTorchsOutputs) {
  const Pth values = load_pth(golden("values.pth"));
  const std::vector<float> expected = values.tensors.at("outputs").to_vector<float>();
  for (const char* file : {"network.pth", "legacy.pth", "checkpoint.pth"}) {
    const auto network = golden_network();
    network->load_state_dict(without_prefix(*network, read_state_dict(golden(file))));
    const std::vector<float> outputs = (*network)(values.tensors.at("images")).to_vector<float>();
    ASSERT_EQ(outputs.size(), expected.size());
    for (std::size_t i = 0; i < expected.size(); ++i) {
      // Three layers whose sums have at most 64 terms of about the size of the result.
      EXPECT_NEAR(outputs[i], expected[i], 64 * std::numeric_limits<float>::epsilon() * 4) << file << ' ' << i;
    }
  }
}

TEST(ForeignWeights, FindsTheNetworkInACheckpoint) {
  const auto network = golden_network();
  const StateDict state = without_prefix(*network, read_state_dict(golden("checkpoint.pth")));
  EXPECT_EQ(state.size(), 10);
  EXPECT_TRUE(state.contains("0.weight"));
  EXPECT_FALSE(state.contains("optimizer.state.0.momentum_buffer"));
  const StateDict plain = read_state_dict(golden("network.pth"));
  EXPECT_EQ(without_prefix(*network, plain).size(), plain.size());
}

TEST(ForeignWeights, RenamesByRulesInOrder) {
  const Tensor one = Tensor::ones({1});
  const StateDict state{{"module.backbone.conv.weight", one}, {"module.head.module.bias", one}};
  const StateDict renamed = rename_keys(state, {{"^module.", ""}, {"backbone.", "features."}, {".bias", ".b"}});
  EXPECT_TRUE(renamed.contains("features.conv.weight"));
  EXPECT_TRUE(renamed.contains("head.module.b"));
  EXPECT_EQ(error_of([&] {
              rename_keys({{"a.x", one}, {"b.x", one}}, {{"^a.", ""}, {"^b.", ""}});
            }),
            "[rename_keys] expects different names; got x twice, also for b.x");
  EXPECT_EQ(error_of([&] {
              rename_keys(state, {{"", "x"}});
            }),
            "[rename_keys] expects something to replace; got nothing");
}

TEST(ForeignWeights, AdoptsTheWidthsOfAPrunedNetwork) {
  // A residual network with its widths halved inside the blocks and kept on the shortcuts.
  const auto build = [] { return models::resnet20({.width = 8, .seed = 1}); };
  const auto narrow = build();
  StateDict pruned = narrow->state_dict();
  const auto first_half = [&](const std::string& name, int dim) {
    const Tensor& whole = pruned.at(name);
    pruned.set(name, whole.narrow(dim, 0, whole.size(dim) / 2).contiguous());
  };
  for (const char* block : {"layer1.0", "layer2.1", "layer3.2"}) {
    const std::string name = block;
    first_half(name + ".conv1.weight", 0);
    for (const char* part : {".weight", ".bias", ".running_mean", ".running_var"}) first_half(name + ".bn1" + part, 0);
    first_half(name + ".conv2.weight", 1);
  }
  const auto model = build();
  EXPECT_EQ(adopt_widths(*model, pruned), 9);
  model->load_state_dict(pruned);
  model->eval();

  // The same channels, switched off in the whole network.
  const auto masked = build();
  for (const char* block : {"layer1.0", "layer2.1", "layer3.2"}) {
    const Tensor& weight = masked->parameter(std::string(block) + ".conv2.weight");
    const std::int64_t half = weight.size(1) / 2;
    const NoGrad no_grad;
    weight.detach().narrow(1, half, half).fill_(0.0);
  }
  masked->eval();
  Generator generator(2);
  const Tensor images = Tensor::randn({2, 3, 16, 16}, generator);
  const auto got = (*model)(images).to_vector<float>(), expected = (*masked)(images).to_vector<float>();
  for (std::size_t i = 0; i < got.size(); ++i) EXPECT_NEAR(got[i], expected[i], 1e-4F * (1.0F + std::abs(expected[i])));
}

TEST(ForeignWeights, KeepsDepthwiseConvolutionsDepthwise) {
  Sequential network;
  network.append(std::make_shared<Conv2d>(8, 8, 3, Conv2dLayerOptions{.padding = {1, 1}, .groups = 8, .bias = false}));
  EXPECT_EQ(adopt_widths(network, {{"0.weight", Tensor::ones({5, 1, 3, 3})}}), 1);
  EXPECT_EQ(network(Tensor::ones({1, 5, 4, 4})).shape(), (Shape{1, 5, 4, 4}));
}

TEST(ForeignWeights, RefusesOtherNetworks) {
  Sequential network;
  network.append(std::make_shared<Conv2d>(8, 8, 3));
  EXPECT_EQ(error_of([&] {
              adopt_widths(network, {{"0.weight", Tensor::ones({8, 8, 5, 5})}});
            }),
            "[adopt_widths] 0.weight expects (8, 8, 3, 3) with other widths; got (8, 8, 5, 5)");
  EXPECT_EQ(network.parameter("0.weight").shape(), (Shape{8, 8, 3, 3}));
}

}  // namespace
}  // namespace coppice::nn
