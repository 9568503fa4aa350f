#include <coppice/models/nn/module.h>

#include <cmath>
#include <sstream>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/init.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/pool.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/nn/summary.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

using std::make_shared;

/// features: conv, batch norm, ReLU, pool; classifier: linear; with names as torchvision's.
std::shared_ptr<Sequential> small_net(std::uint64_t seed = 1) {
  auto features = make_shared<Sequential>();
  features->append(make_shared<Conv2d>(2, 4, 3, Conv2dLayerOptions{.padding = {1, 1}, .bias = false}))
      .append(make_shared<BatchNorm2d>(4))
      .append(make_shared<ReLU>())
      .append(make_shared<MaxPool2d>(2));
  auto net = make_shared<Sequential>();
  net->append("features", features)
      .append("flatten", make_shared<Flatten>())
      .append("classifier", make_shared<Linear>(16, 3));
  initialize(*net, seed);
  return net;
}

void make_masked(Module& module, std::uint64_t seed) {
  for (const PrunableWeight& weight : prunable(module)) {
    Generator generator = Generator::keyed(seed, weight.name);
    weight.replace(Tensor::masked(weight.tensor().to_dense(),
                                  Mask::random(weight.shape(), weight.tensor().numel() / 4, generator)));
  }
}

std::vector<std::string> names_of(const std::vector<NamedTensor>& tensors) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : tensors) names.push_back(entry.name);
  return names;
}

void expect_same(const StateDict& a, const StateDict& b) {
  ASSERT_EQ(a.size(), b.size());
  for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
    EXPECT_EQ(left->name, right->name);
    EXPECT_TRUE(bit_equal(left->tensor, right->tensor)) << left->name;
  }
}

TEST(Module, NamesAreTorchvisions) {
  const auto net = small_net();
  EXPECT_EQ(names_of(net->named_parameters()),
            (std::vector<std::string>{"features.0.weight", "features.1.weight", "features.1.bias", "classifier.weight",
                                      "classifier.bias"}));
  EXPECT_EQ(names_of(net->named_buffers()),
            (std::vector<std::string>{"features.1.running_mean", "features.1.running_var",
                                      "features.1.num_batches_tracked"}));
  std::vector<std::string> state;
  for (const NamedTensor& entry : net->state_dict()) state.push_back(entry.name);
  EXPECT_EQ(state,
            (std::vector<std::string>{"features.0.weight", "features.1.weight", "features.1.bias",
                                      "features.1.running_mean", "features.1.running_var",
                                      "features.1.num_batches_tracked", "classifier.weight", "classifier.bias"}));
  EXPECT_EQ(net->parameter_count(), 4 * 2 * 9 + 4 + 4 + 3 * 16 + 3);
  for (const Tensor& parameter : net->parameters()) EXPECT_TRUE(parameter.requires_grad());
}

TEST(Module, InitialisationDependsOnSeedAndNameAlone) {
  const auto a = small_net(1), b = small_net(1), other = small_net(2);
  expect_same(a->state_dict(), b->state_dict());
  EXPECT_FALSE(bit_equal(a->parameter("classifier.weight"), other->parameter("classifier.weight")));
  // Same layer elsewhere in another network: same name, same values.
  Sequential alone({{"classifier", make_shared<Linear>(16, 3)}});
  initialize(alone, 1);
  EXPECT_TRUE(bit_equal(alone.parameter("classifier.weight"), a->parameter("classifier.weight")));
  // U(±1/√fan_in): never outside, and the mean of |w| is half the bound.
  Linear wide(400, 300);
  double sum = 0;
  for (const float w : wide.weight().to_vector<float>()) {
    ASSERT_LE(std::abs(w), 0.05F);
    sum += std::abs(static_cast<double>(w));
  }
  EXPECT_NEAR(sum / 120000, 0.025, 1e-4);
  for (const float b1 : wide.bias().to_vector<float>()) ASSERT_LE(std::abs(b1), 0.05F);
  EXPECT_TRUE(bit_equal(a->parameter("features.1.weight"), Tensor::ones({4})));
  EXPECT_TRUE(bit_equal(a->parameter("features.1.bias"), Tensor::zeros({4})));
}

TEST(Module, MaskedParametersAreDrawnAsTheirDenseOnes) {
  const auto dense = small_net(5), masked = small_net(1);
  make_masked(*masked, 3);
  initialize(*masked, 5);
  for (const PrunableWeight& weight : prunable(*masked)) {
    const Mask& alive = weight.tensor().weight_state().alive();
    EXPECT_TRUE(bit_equal(WeightState::gather(weight.tensor().to_dense(), alive),
                          WeightState::gather(dense->parameter(weight.name), alive)));
    EXPECT_EQ(Mask::from_nonzero(weight.tensor().to_dense()) - alive, Mask::none(weight.shape()));
  }
}

TEST(Module, StateDictMakesTheRoundTrip) {
  for (const bool sparse : {false, true}) {
    const auto source = small_net(1), target = small_net(2);
    if (sparse) {
      make_masked(*source, 3);
      make_masked(*target, 3);
    }
    Generator generator(7);
    (*source)(Tensor::randn({4, 2, 4, 4}, generator));  // moves the running statistics
    const StateDict state = source->state_dict();
    EXPECT_EQ(state.at("features.1.num_batches_tracked").item<std::int64_t>(), 1);
    target->load_state_dict(state);
    expect_same(target->state_dict(), state);
    source->eval();
    target->eval();
    const Tensor input = Tensor::randn({3, 2, 4, 4}, generator);
    EXPECT_TRUE(bit_equal((*source)(input).detach(), (*target)(input).detach()));
  }
}

TEST(Module, StateDictIsASnapshot) {
  const auto net = small_net();
  const StateDict before = net->state_dict();
  const Tensor kept = before.at("classifier.bias").to_dense();
  {
    const NoGrad no_grad;
    Tensor bias = net->parameter("classifier.bias");
    bias.fill_(9.0);
  }
  EXPECT_TRUE(bit_equal(before.at("classifier.bias"), kept));
}

TEST(Module, LoadCastsToTheParametersDtype) {
  const auto net = small_net(1);
  StateDict state = net->state_dict();
  state.set("classifier.bias", Tensor::of({1.0, 2.0, 3.0}));
  net->load_state_dict(state);
  EXPECT_EQ(net->parameter("classifier.bias").to_vector<float>(), (std::vector<float>{1.F, 2.F, 3.F}));
}

TEST(Module, StrictLoadListsEverythingAndWritesNothing) {
  const auto net = small_net(1);
  const StateDict before = net->state_dict();
  StateDict state = small_net(2)->state_dict();
  state.erase("features.0.weight");
  state.erase("features.1.running_var");
  state.set("classifier.weight", Tensor::zeros({3, 17}));
  state.set("head.weight", Tensor::zeros({1}));
  expect_error([&] { net->load_state_dict(state); },
               "[load_state_dict] missing features.0.weight; shape of classifier.weight: got (3, 17) for (3, 16); "
               "missing features.1.running_var; unexpected head.weight");
  expect_error([&] { net->load_state_dict(state, false); },
               "[load_state_dict] shape of classifier.weight: got (3, 17) for (3, 16)");
  expect_same(net->state_dict(), before);

  state.erase("classifier.weight");
  net->load_state_dict(state, false);
  EXPECT_TRUE(bit_equal(net->parameter("features.0.weight"), before.at("features.0.weight")));
  EXPECT_TRUE(bit_equal(net->parameter("classifier.bias"), state.at("classifier.bias")));
}

TEST(Module, MaskedWeightsTakeAliveValuesOnly) {
  const auto net = small_net(1);
  make_masked(*net, 3);
  StateDict state = net->state_dict();
  Tensor full = Tensor::ones({3, 16});
  state.set("classifier.weight", full);
  expect_error([&] { net->load_state_dict(state); },
               "[load_state_dict] values of classifier.weight: 36 of 48 are not 0 but not alive");
  net->load_state_dict(state, false);
  const Tensor loaded = net->parameter("classifier.weight");
  EXPECT_TRUE(loaded.is_masked());
  EXPECT_EQ(Mask::from_nonzero(loaded.to_dense()), loaded.weight_state().alive());
  EXPECT_EQ(net->parameter_count(true), 18 + 4 + 4 + 12 + 3);
  EXPECT_EQ(net->parameter_count(), 4 * 2 * 9 + 4 + 4 + 3 * 16 + 3);
}

TEST(Module, SetParameterReplacesWhatTheLayerUses) {
  const auto net = small_net(1);
  const Tensor zeros = Tensor::zeros({3, 16});
  net->set_parameter("classifier.weight", zeros);
  EXPECT_TRUE(net->parameter("classifier.weight").requires_grad());
  Generator generator(3);
  const Tensor output = (*net)(Tensor::randn({2, 2, 4, 4}, generator));
  const std::vector<float> bias = net->parameter("classifier.bias").to_vector<float>();
  EXPECT_EQ(output.to_vector<float>(), (std::vector<float>{bias[0], bias[1], bias[2], bias[0], bias[1], bias[2]}));
  EXPECT_THROW(net->set_parameter("classifier.weight", Tensor::zeros({3, 15})), Error);
  expect_error([&] { net->parameter("classifier.gain"); },
               "[Module] expects a parameter of Sequential; got the name \"classifier.gain\"");
  expect_error([&] { net->parameter("nowhere.weight"); },
               "[Module] expects a parameter of Sequential; got the name \"nowhere.weight\"");
}

TEST(Module, PrunableListsWeightsOfLinearAndConvolution) {
  const auto net = small_net(1);
  const std::vector<PrunableWeight> weights = prunable(*net);
  ASSERT_EQ(weights.size(), 2U);
  EXPECT_EQ(weights[0].name, "features.0.weight");
  EXPECT_EQ(weights[0].shape(), (Shape{4, 2, 3, 3}));
  EXPECT_EQ(weights[1].name, "classifier.weight");
  make_masked(*net, 3);
  EXPECT_TRUE(net->parameter("features.0.weight").is_masked());
  EXPECT_TRUE(net->parameter("features.0.weight").requires_grad());
  EXPECT_TRUE(weights[1].tensor().is_masked());
}

TEST(Module, GradientsReachMaskedParametersAndZeroGradDropsThem) {
  const auto net = small_net(1);
  make_masked(*net, 3);
  Generator generator(5);
  const Tensor output = (*net)(Tensor::randn({4, 2, 4, 4}, generator));
  output.backward(Tensor::ones_like(output));
  for (const NamedTensor& entry : net->named_parameters()) {
    ASSERT_TRUE(entry.tensor.grad().defined()) << entry.name;
    const std::int64_t expected =
        entry.tensor.is_masked() ? entry.tensor.weight_state().trainable().count() : entry.tensor.numel();
    EXPECT_EQ(entry.tensor.grad().numel(), expected) << entry.name;
  }
  net->zero_grad();
  for (const Tensor& parameter : net->parameters()) EXPECT_FALSE(parameter.grad().defined());
}

TEST(Module, ModeReachesEveryLayer) {
  const auto net = small_net();
  net->eval();
  for (const NamedModule& entry : net->named_modules()) EXPECT_FALSE(entry.module->is_training()) << entry.name;
  net->train();
  for (const NamedModule& entry : net->named_modules()) EXPECT_TRUE(entry.module->is_training()) << entry.name;
}

TEST(Module, ConvertsDtypes) {
  const auto net = small_net(1);
  make_masked(*net, 3);
  const StateDict before = net->state_dict();
  net->to(kFloat64);
  for (const NamedTensor& entry : net->named_parameters()) {
    EXPECT_EQ(entry.tensor.dtype(), kFloat64) << entry.name;
    EXPECT_TRUE(entry.tensor.requires_grad()) << entry.name;
  }
  EXPECT_EQ((*net)(Tensor::ones({2, 2, 4, 4}, {.dtype = kFloat64})).dtype(), kFloat64);
  net->to(kFloat32);
  EXPECT_TRUE(bit_equal(net->parameter("classifier.weight").to_dense(), before.at("classifier.weight")));
}

TEST(Module, RejectsNamesThatCollide) {
  Sequential net;
  net.append("a", make_shared<ReLU>());
  expect_error([&] { net.append("a", make_shared<ReLU>()); }, "[Module] expects a new name; got \"a\", which is taken");
  expect_error([&] { net.append("a.b", make_shared<ReLU>()); },
               "[Module] expects a name without dots that is not empty; got \"a.b\"");
  expect_error([&] { net.append("b", nullptr); }, "[Module] expects a module for \"b\"; got null");
}

TEST(Module, HooksSeeEveryForwardUntilRemoved) {
  Sequential net{make_shared<ReLU>(), make_shared<Flatten>()};
  std::vector<Shape> seen;
  Module& flatten = *net.children()[1].second;
  const int id = flatten.add_forward_hook([&](Module&, const Tensor& input, const Tensor& output) {
    seen.push_back(input.shape());
    seen.push_back(output.shape());
  });
  net(Tensor::ones({2, 3, 4}));
  flatten.remove_forward_hook(id);
  net(Tensor::ones({2, 3, 4}));
  EXPECT_EQ(seen, (std::vector<Shape>{Shape{2, 3, 4}, Shape{2, 12}}));
}

TEST(BatchNormGuard, HoldsAndRestores) {
  const auto net = small_net();
  auto& norm = dynamic_cast<BatchNorm2d&>(*net->children()[0].second->children()[1].second);
  Generator generator(3);
  const Tensor input = Tensor::randn({4, 2, 4, 4}, generator);
  const StateDict before = net->state_dict();
  norm.set_mode(BatchNorm2d::Mode{BatchNormStatistics::Running, BatchNormRunning::Update});
  {
    const BatchNormGuard outer(*net);
    EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Batch);
    EXPECT_EQ(norm.mode().running, BatchNormRunning::Hold);
    {
      const BatchNormGuard inner(*net, {BatchNormStatistics::Running, BatchNormRunning::Hold});
      EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Running);
    }
    EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Batch);
    (*net)(input);
    expect_same(net->state_dict(), before);  // nothing moved, the counter included
  }
  EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Running);
  EXPECT_EQ(norm.mode().running, BatchNormRunning::Update);
  norm.set_mode({});
  EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Batch);
  (*net)(input);
  EXPECT_FALSE(bit_equal(net->state_dict().at("features.1.running_mean"), before.at("features.1.running_mean")));
  net->eval();
  EXPECT_EQ(norm.mode().statistics, BatchNormStatistics::Running);
  EXPECT_EQ(norm.mode().running, BatchNormRunning::Hold);
}

TEST(Summary, CountsParametersAndMacsPerLayer) {
  const auto net = small_net();
  make_masked(*net, 3);
  const StateDict before = net->state_dict();
  const Summary result = summary(*net, {1, 2, 4, 4});
  ASSERT_EQ(result.layers.size(), 6U);
  EXPECT_EQ(result.layers[0].name, "features.0");
  EXPECT_EQ(result.layers[0].description, "Conv2d(2, 4, kernel_size=(3, 3), padding=(1, 1), bias=false)");
  EXPECT_EQ(result.layers[0].output_shape, (Shape{1, 4, 4, 4}));
  EXPECT_EQ(result.layers[0].dense_macs, 72 * 16);
  EXPECT_EQ(result.layers[0].effective_macs, 18 * 16);
  EXPECT_EQ(result.layers[1].dense_macs, 0);
  EXPECT_EQ(result.layers[5].name, "classifier");
  EXPECT_EQ(result.layers[5].parameters, 51);
  EXPECT_EQ(result.layers[5].alive_parameters, 15);
  EXPECT_EQ(result.layers[5].dense_macs, 48);
  EXPECT_EQ(result.layers[5].effective_macs, 12);
  EXPECT_EQ(result.total.dense_macs, 72 * 16 + 48);
  EXPECT_EQ(result.total.parameters, net->parameter_count());
  EXPECT_TRUE(net->is_training());
  expect_same(net->state_dict(), before);

  std::ostringstream text;
  text << result;
  EXPECT_NE(text.str().find("features.0  Conv2d(2, 4, kernel_size=(3, 3), padding=(1, 1), bias=false)  (1, 4, 4, 4)"),
            std::string::npos)
      << text.str();
  EXPECT_NE(text.str().find("FLOPs of one forward: 2,400 dense, 600 effective"), std::string::npos) << text.str();
}

}  // namespace
}  // namespace coppice::nn
