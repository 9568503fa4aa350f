#include <coppice/models/nn/fine_tune.h>

#include <sstream>

#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

using Names = std::vector<std::string>;

std::shared_ptr<Module> small_resnet(std::int64_t classes, std::uint64_t seed) {
  return models::resnet(models::ResNetBlock::Basic, {1, 1, 1, 1},
                        {.num_classes = classes, .stem = models::ResNetStem::Small, .width = 4, .seed = seed});
}

void make_sparse(Module& module, double density) {
  sparsity::MaskPolicy policy = sparsity::static_mask();
  policy.distribution = sparsity::Distribution::Uniform;
  policy.density = density;
  sparsity::make_sparse(module, policy, 5);
}

TEST(SetModule, ReplacesWhatTheNetworkUses) {
  const auto model = small_resnet(4, 1);
  const Tensor images = Tensor::ones({2, 3, 16, 16});
  EXPECT_EQ((*model)(images).shape(), (Shape{2, 4}));
  EXPECT_EQ(&model->module("layer2.0"), model->module("layer2").children()[0].second.get());
  EXPECT_EQ(&model->module(""), model.get());
  model->eval();
  const auto head = std::make_shared<Linear>(32, 7);
  model->set_module("fc", head);
  EXPECT_FALSE(head->is_training());
  EXPECT_EQ((*model)(images).shape(), (Shape{2, 7}));
  EXPECT_EQ(model->parameter("fc.bias").shape(), (Shape{7}));
  const auto inner = models::mlp({32, 8, 3});
  model->set_module("fc", inner);
  model->set_module("fc.fc2", std::make_shared<Linear>(8, 5));
  EXPECT_EQ((*model)(images).shape(), (Shape{2, 5}));
  for (const char* wrong : {"fd", "layer1.7.conv1", "layer1..0", "fc.", ".fc", "", "fc.fc2.weight"}) {
    EXPECT_NE(error_of([&] { model->set_module(wrong, head); }), "") << wrong;
  }
  EXPECT_EQ(error_of([&] { model->module("layer9"); }), "[Module] expects a module of ResNet; got the name \"layer9\"");
  for (const char* wrong : {"fc.", ".fc", "layer1..0", "."}) {
    EXPECT_NE(error_of([&] { model->module(wrong); }), "") << wrong;
  }
  EXPECT_NE(error_of([&] { model->set_module("fc", nullptr); }), "");
}

TEST(ReplaceHead, FindsTheLastLinearLayer) {
  const auto model = small_resnet(4, 1);
  make_sparse(*model, 0.5);
  EXPECT_TRUE(model->parameter("fc.weight").is_masked());
  EXPECT_EQ(replace_head(*model, 6, 9), "fc");
  EXPECT_EQ(model->parameter("fc.weight").shape(), (Shape{6, 32}));
  EXPECT_FALSE(model->parameter("fc.weight").is_masked());
  EXPECT_TRUE(model->parameter("fc.weight").requires_grad());
  const Tensor first = model->parameter("fc.weight");
  replace_head(*model, 6, 9);
  EXPECT_TRUE(bit_equal(model->parameter("fc.weight"), first));
  replace_head(*model, 6, 10);
  EXPECT_FALSE(bit_equal(model->parameter("fc.weight"), first));

  const auto mlp = models::mlp({6, 5, 4});
  mlp->to(kFloat64);
  EXPECT_EQ(replace_head(*mlp, 2), "fc2");
  EXPECT_EQ((*mlp)(Tensor::zeros({3, 6}, {.dtype = kFloat64})).shape(), (Shape{3, 2}));
  Sequential none;
  EXPECT_EQ(error_of([&] { replace_head(none, 2); }),
            "[replace_head] expects a Linear layer in the network; got Sequential, which has none");
}

TEST(Freeze, GoesByWholeNames) {
  Sequential net;
  net.append("a", std::make_shared<Linear>(2, 3)).append("ab", std::make_shared<Linear>(3, 2));
  EXPECT_EQ(freeze(net, "a"), 9);
  EXPECT_FALSE(net.parameter("a.bias").requires_grad());
  EXPECT_TRUE(net.parameter("ab.bias").requires_grad());
  EXPECT_EQ(freeze(net, "ab.weight"), 6);
  EXPECT_FALSE(net.parameter("ab.weight").requires_grad());
  EXPECT_TRUE(net.parameter("ab.bias").requires_grad());
  EXPECT_EQ(unfreeze(net, ""), 17);
  EXPECT_TRUE(net.parameter("a.bias").requires_grad());
  EXPECT_EQ(error_of([&] { freeze(net, "b"); }),
            "[freeze] expects the name of a module of Sequential with parameters; got \"b\"");
}

TEST(Freeze, TrainsSurvivorsOfTheRestAndNothingElse) {
  const auto model = small_resnet(3, 1);
  make_sparse(*model, 0.3);
  for (const char* name : {"conv1", "bn1", "layer1"}) freeze(*model, name);
  optim::SGD optimizer(model->parameters(), {.lr = 0.05, .momentum = 0.9, .weight_decay = 1e-2});
  const StateDict before = model->state_dict();
  Generator generator(1);
  for (int step = 0; step < 3; ++step) {
    model->train();
    optimizer.zero_grad();
    const Tensor images = Tensor::randn({4, 3, 16, 16}, generator);
    cross_entropy((*model)(images), Tensor::of<std::int64_t>({0, 1, 2, 0})).backward();
    optimizer.step();
  }
  for (const NamedTensor& entry : model->state_dict()) {
    const bool frozen =
        entry.name.starts_with("conv1.") || entry.name.starts_with("bn1.") || entry.name.starts_with("layer1.");
    EXPECT_EQ(bit_equal(entry.tensor, before.at(entry.name)), frozen) << entry.name;
  }
  std::int64_t masked = 0;
  for (const NamedTensor& entry : model->named_parameters()) {
    if (!entry.tensor.is_masked()) continue;
    ++masked;
    const Mask dead = ~entry.tensor.weight_state().alive();
    EXPECT_EQ((Mask::from_nonzero(entry.tensor.to_dense()) & dead).count(), 0) << entry.name;
    EXPECT_GT(dead.count(), 0) << entry.name;
  }
  EXPECT_GE(masked, 8);
  unfreeze(*model, "bn1");
  (*model)(Tensor::randn({4, 3, 16, 16}, generator));
  EXPECT_FALSE(bit_equal(model->state_dict().at("bn1.running_mean"), before.at("bn1.running_mean")));
}

TEST(LoadMatching, SaysWhatDidNotFit) {
  const auto pruned = small_resnet(10, 1);
  make_sparse(*pruned, 0.2);
  StateDict state = masked_state_dict(*pruned);
  state.erase("bn1.bias");
  state.set("extra.weight", Tensor::zeros({2}));

  const auto model = small_resnet(3, 2);
  const StateDict before = model->state_dict();
  const LoadReport report = load_matching(*model, state);
  EXPECT_EQ(report.missing, (Names{"bn1.bias"}));
  EXPECT_EQ(report.unexpected, (Names{"extra.weight"}));
  EXPECT_EQ(report.mismatched, (Names{"fc.weight", "fc.bias"}));
  std::ostringstream text;
  text << report;
  EXPECT_EQ(text.str(), std::to_string(before.size() - 3) +
                            " loaded; missing bn1.bias; unexpected extra.weight; of another shape fc.weight, fc.bias");
  for (const NamedTensor& entry : masked_state_dict(*model)) {
    const bool unchanged = entry.name.starts_with("fc.");
    EXPECT_EQ(entry.tensor.is_masked(), !unchanged && state.contains(entry.name) && state.at(entry.name).is_masked());
    EXPECT_TRUE(bit_equal(entry.tensor.to_dense(), unchanged || entry.name == "bn1.bias"
                                                       ? before.at(entry.name)
                                                       : state.at(entry.name).to_dense()))
        << entry.name;
  }
  EXPECT_EQ(model->parameter_count(true) - 3 * 33,
            pruned->parameter_count(true) - 10 - pruned->parameter("fc.weight").weight_state().alive().count());
}

TEST(PruneZeros, MakesThemDead) {
  const auto pruned = small_resnet(3, 1);
  make_sparse(*pruned, 0.25);
  const auto model = small_resnet(3, 2);
  model->load_state_dict(pruned->state_dict());
  const std::int64_t dead = model->parameter_count() - pruned->parameter_count(true);
  EXPECT_EQ(prune_zeros(*model), dead);
  EXPECT_EQ(model->parameter_count(true), pruned->parameter_count(true));
  EXPECT_TRUE(model->parameter("layer1.0.conv1.weight").is_masked());
  EXPECT_FALSE(model->parameter("layer1.0.bn1.bias").is_masked());  // zeros, but no weight
  EXPECT_EQ(prune_zeros(*model), 0);
}

}  // namespace
}  // namespace coppice::nn
