#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/norms.h>

#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/models/nn/init.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/elementwise.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

Tensor normal(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randn(shape, generator);
}

std::vector<std::string> names_of(const StateDict& state) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : state) names.push_back(entry.name);
  return names;
}

/// Gives a layer other parameters than it starts with.
void disturb(Module& layer) {
  std::uint64_t seed = 10;
  for (const NamedTensor& parameter : layer.named_parameters()) {
    assign_parameter(parameter.tensor, normal(parameter.tensor.shape(), ++seed));
  }
}

using Names = std::vector<std::string>;

TEST(Activations, AreTheirFunctions) {
  const Tensor x = normal({3, 4, 5}, 1) * 4.0;
  EXPECT_TRUE(bit_equal(ReLU()(x), relu(x)));
  EXPECT_TRUE(bit_equal(ReLU6()(x), relu6(x)));
  EXPECT_TRUE(bit_equal(SiLU()(x), silu(x)));
  EXPECT_TRUE(bit_equal(Sigmoid()(x), sigmoid(x)));
  EXPECT_TRUE(bit_equal(Tanh()(x), tanh(x)));
  EXPECT_TRUE(bit_equal(Hardswish()(x), hardswish(x)));
  EXPECT_TRUE(bit_equal(LeakyReLU()(x), leaky_relu(x, 0.01)));
  EXPECT_TRUE(bit_equal(LeakyReLU(0.3)(x), leaky_relu(x, 0.3)));
  EXPECT_TRUE(bit_equal(ELU()(x), elu(x, 1.0)));
  EXPECT_TRUE(bit_equal(ELU(0.3)(x), elu(x, 0.3)));
  EXPECT_TRUE(bit_equal(GELU()(x), gelu(x)));
  EXPECT_TRUE(
      bit_equal(GELU({.approximate = GeluApproximate::Tanh})(x), gelu(x, {.approximate = GeluApproximate::Tanh})));
  EXPECT_TRUE(bit_equal(Softplus()(x), softplus(x, 1.0, 20.0)));
  EXPECT_TRUE(bit_equal(Softplus(0.5, 1.0)(x), softplus(x, 0.5, 1.0)));
}

TEST(Activations, DescribeTheirOptions) {
  EXPECT_EQ(ReLU6().description(), "ReLU6");
  EXPECT_EQ(LeakyReLU(0.3).description(), "LeakyReLU(negative_slope=0.3)");
  EXPECT_EQ(PReLU(4).description(), "PReLU(num_parameters=4)");
  EXPECT_EQ(GELU().description(), "GELU");
  EXPECT_EQ(GELU({.approximate = GeluApproximate::Tanh}).description(), "GELU(approximate=tanh)");
  EXPECT_EQ(Softplus(0.5, 1.0).description(), "Softplus(beta=0.5, threshold=1)");
}

TEST(PReLU, LearnsItsSlopes) {
  PReLU layer(4, 0.5);
  const Tensor x = normal({3, 4, 5}, 1);
  EXPECT_TRUE(bit_equal(layer(x), leaky_relu(x, 0.5)));
  EXPECT_TRUE(bit_equal(PReLU()(x), leaky_relu(x, 0.25)));
  disturb(layer);
  EXPECT_TRUE(bit_equal(layer(x), prelu(x, layer.weight())));
  layer(x).backward(Tensor::ones(x.shape()));
  EXPECT_EQ(layer.weight().grad().shape(), Shape{4});
  EXPECT_EQ(names_of(layer.state_dict()), Names{"weight"});
  initialize(layer, 1);
  EXPECT_TRUE(bit_equal(layer.weight().detach(), Tensor::full({4}, 0.5)));
}

TEST(LayerNormLayer, NormalisesTheLastDimensions) {
  LayerNorm layer({4, 5}, {.eps = 0.1});
  const Tensor x = normal({3, 4, 5}, 1);
  EXPECT_TRUE(bit_equal(layer(x), layer_norm(x, {4, 5}, {}, {}, {.eps = 0.1})));
  disturb(layer);
  EXPECT_TRUE(bit_equal(layer(x), layer_norm(x, {4, 5}, layer.weight(), layer.bias(), {.eps = 0.1})));
  EXPECT_EQ(names_of(layer.state_dict()), (Names{"weight", "bias"}));
  EXPECT_EQ(layer.description(), "LayerNorm((4, 5))");
  initialize(layer, 1);
  EXPECT_TRUE(bit_equal(layer.weight().detach(), Tensor::ones({4, 5})));
  EXPECT_TRUE(bit_equal(layer.bias().detach(), Tensor::zeros({4, 5})));

  LayerNorm without_bias(5, {.bias = false});
  EXPECT_EQ(names_of(without_bias.state_dict()), Names{"weight"});
  EXPECT_TRUE(bit_equal(without_bias(x), layer_norm(x, {5})));
  EXPECT_EQ(without_bias.description(), "LayerNorm((5), bias=false)");
  LayerNorm plain(5, {.elementwise_affine = false});
  EXPECT_TRUE(plain.parameters().empty());
  EXPECT_TRUE(bit_equal(plain(x), layer_norm(x, {5})));
  EXPECT_EQ(plain.description(), "LayerNorm((5), elementwise_affine=false)");
}

TEST(GroupNormLayer, NormalisesGroupsOfChannels) {
  GroupNorm layer(2, 6, {.eps = 0.1});
  const Tensor x = normal({3, 6, 5}, 1);
  disturb(layer);
  EXPECT_TRUE(bit_equal(layer(x), group_norm(x, 2, layer.weight(), layer.bias(), {.eps = 0.1})));
  EXPECT_EQ(names_of(layer.state_dict()), (Names{"weight", "bias"}));
  initialize(layer, 1);
  EXPECT_TRUE(bit_equal(layer(x), group_norm(x, 2, {}, {}, {.eps = 0.1})));
  GroupNorm plain(3, 6, {.affine = false});
  EXPECT_TRUE(plain.parameters().empty());
  EXPECT_TRUE(bit_equal(plain(x), group_norm(x, 3)));
  EXPECT_EQ(plain.description(), "GroupNorm(3, 6, affine=false)");
  expect_error([] { GroupNorm(4, 6); }, "[GroupNorm] num_groups=4 must divide num_channels=6");
  expect_error([&] { plain(Tensor::zeros({2, 3, 4})); }, "[GroupNorm] expects an input (n, 6, …); got (2, 3, 4)");
}

TEST(InstanceNorm2dLayer, NormalisesByItsImageUnlessTold) {
  const Tensor x = normal({3, 2, 4, 5}, 1);
  InstanceNorm2d plain(2, {.eps = 0.1});
  EXPECT_TRUE(plain.state_dict().empty());
  EXPECT_TRUE(bit_equal(plain(x), instance_norm(x, {}, {}, {}, {}, {.eps = 0.1})));
  EXPECT_TRUE(bit_equal(plain(x.select(0, 1)), plain(x).select(0, 1)));
  plain.eval();
  EXPECT_TRUE(bit_equal(plain(x), instance_norm(x, {}, {}, {}, {}, {.eps = 0.1})));
  expect_error(
      [&] {
        plain(Tensor::zeros({2, 3, 4, 5}));
      },
      "[InstanceNorm2d] expects an input (n, 2, h, w) or (2, h, w); got (2, 3, 4, 5)");

  InstanceNorm2d tracked(2, {.momentum = 0.25, .affine = true, .track_running_stats = true});
  EXPECT_EQ(names_of(tracked.state_dict()),
            (Names{"weight", "bias", "running_mean", "running_var", "num_batches_tracked"}));
  disturb(tracked);
  const Tensor mean = Tensor::zeros({2}), variance = Tensor::ones({2});
  const Tensor expected = instance_norm(x, mean, variance, tracked.weight(), tracked.bias(), {.momentum = 0.25});
  EXPECT_TRUE(bit_equal(tracked(x), expected));
  EXPECT_TRUE(bit_equal(tracked.running_mean(), mean));
  EXPECT_TRUE(bit_equal(tracked.running_var(), variance));
  EXPECT_FALSE(bit_equal(mean, Tensor::zeros({2})));
  tracked.eval();
  EXPECT_TRUE(bit_equal(
      tracked(x), instance_norm(x, mean, variance, tracked.weight(), tracked.bias(), {.use_input_stats = false})));
  EXPECT_TRUE(bit_equal(tracked.running_mean(), mean));
  EXPECT_EQ(tracked.description(), "InstanceNorm2d(2, affine=true, track_running_stats=true)");
  initialize(tracked, 1);
  EXPECT_TRUE(bit_equal(tracked.running_mean(), Tensor::zeros({2})));
  EXPECT_TRUE(bit_equal(tracked.weight().detach(), Tensor::ones({2})));
}

TEST(Activations, TakeTheirPlaceInNetworks) {
  Sequential network({{"norm", std::make_shared<LayerNorm>(4)}, {"slope", std::make_shared<PReLU>()}});
  EXPECT_EQ(names_of(network.state_dict()), (Names{"norm.weight", "norm.bias", "slope.weight"}));
  network.to(kFloat64);
  EXPECT_EQ(network(normal({2, 4}, 1).to(kFloat64)).dtype(), kFloat64);
}

}  // namespace
}  // namespace coppice::nn
