#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/models/mlp.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/nn/summary.h>

namespace coppice::models {
namespace {

TEST(MnistCnn, HasThePublishedParametersAndMacs) {
  const auto model = mnist_cnn();
  EXPECT_EQ(model->parameter_count(), 287290);
  const nn::Summary result = nn::summary(*model, {1, 3, 28, 28});
  EXPECT_EQ(result.total.dense_macs, 9654200);  // 9.65 M
  EXPECT_EQ(result.total.output_shape, (Shape{1, 10}));
  const std::int64_t expected[] = {2432, 38448, 235300, 10100, 1010};
  std::size_t at = 0;
  for (const nn::LayerSummary& layer : result.layers) {
    if (layer.parameters == 0) continue;
    ASSERT_LT(at, std::size(expected));
    EXPECT_EQ(layer.parameters, expected[at++]) << layer.name;
  }
  EXPECT_EQ(at, std::size(expected));
  EXPECT_EQ(result.layers[2].output_shape, (Shape{1, 32, 14, 14}));
  EXPECT_EQ(result.layers[5].output_shape, (Shape{1, 48, 7, 7}));
}

TEST(MnistCnn, TakesGreyImages) {
  const auto model = mnist_cnn({.input_channels = 1, .seed = 4});
  EXPECT_EQ(model->parameter_count(), 287290 - 2 * 32 * 25);
  EXPECT_EQ((*model)(Tensor::zeros({2, 1, 28, 28})).shape(), (Shape{2, 10}));
}

TEST(MnistCnn, NamesItsWeights) {
  const auto model = mnist_cnn();
  std::vector<std::string> names;
  for (const nn::PrunableWeight& weight : nn::prunable(*model)) names.push_back(weight.name);
  EXPECT_EQ(names, (std::vector<std::string>{"features.0.weight", "features.3.weight", "classifier.0.weight",
                                             "classifier.2.weight", "classifier.4.weight"}));
}

TEST(Mlp, IsLeNet300100ByDefault) {
  const auto model = mlp();
  EXPECT_EQ(model->parameter_count(), 784 * 300 + 300 + 300 * 100 + 100 + 100 * 10 + 10);
  EXPECT_EQ((*model)(Tensor::zeros({5, 1, 28, 28})).shape(), (Shape{5, 10}));
  EXPECT_EQ(model->parameter("fc3.weight").shape(), (Shape{10, 100}));
  EXPECT_TRUE(bit_equal(mlp({784, 300, 100, 10}, 0)->parameter("fc2.weight"), model->parameter("fc2.weight")));
  EXPECT_FALSE(bit_equal(mlp({784, 300, 100, 10}, 1)->parameter("fc2.weight"), model->parameter("fc2.weight")));
  EXPECT_THROW(mlp({10}), Error);
}

TEST(Mlp, TakesOtherWidths) {
  const auto model = mlp({6, 4, 3}, 2);
  model->to(kFloat64);
  Generator generator(3);
  std::vector<Tensor> inputs = model->parameters();
  inputs.push_back(Tensor::randn({5, 6}, generator, {.dtype = kFloat64, .requires_grad = true}));
  gradcheck(
      [&](const std::vector<Tensor>& in) {
        for (std::size_t i = 0; i + 1 < in.size(); ++i) {
          model->set_parameter(model->named_parameters()[i].name, in[i]);
        }
        return std::vector{(*model)(in.back())};
      },
      inputs);
}

}  // namespace
}  // namespace coppice::models
