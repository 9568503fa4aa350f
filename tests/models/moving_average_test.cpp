#include <coppice/models/nn/moving_average.h>

#include <gtest/gtest.h>

#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/sequential.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

void fill(Module& module, const char* name, double value) {
  detail::copy_into(module.parameter(name), Tensor::full(module.parameter(name).shape(), value));
}

TEST(MovingAverage, AveragesParametersAndCopiesBuffers) {
  Sequential network;
  network.append(std::make_shared<BatchNorm2d>(2));
  MovingAverage average(network, 0.75);
  fill(network, "0.weight", 5.0);
  network(Tensor::full({4, 2, 1, 1}, 3.0));  // running_mean becomes 0.3
  average.update();
  EXPECT_EQ(average.state_dict().at("0.weight").to_vector<float>()[0], 2.0F);  // 0.75 · 1 + 0.25 · 5
  EXPECT_NEAR(average.state_dict().at("0.running_mean").to_vector<float>()[0], 0.3F, 1e-6);
  EXPECT_EQ(average.state_dict().at("0.num_batches_tracked").item<std::int64_t>(), 1);
  EXPECT_EQ(average.updates(), 1);
  average.swap();
  EXPECT_EQ(network.parameter("0.weight").to_vector<float>()[1], 2.0F);
  average.swap();
  EXPECT_EQ(network.parameter("0.weight").to_vector<float>()[1], 5.0F);
}

TEST(MovingAverage, HoldsOnlyWhatIsAlive) {
  Sequential network;
  network.append(std::make_shared<Linear>(4, 1, LinearOptions{.bias = false}));
  const auto mask = [](std::vector<std::int64_t> at) { return Mask::from_positions({1, 4}, at); };
  network.set_parameter("0.weight", Tensor::masked(Tensor::full({1, 4}, 1.0), mask({0, 1})));
  MovingAverage average(network, 0.5);
  WeightState& state = network.parameter("0.weight").weight_state();
  state.assign(Tensor::full({1, 4}, 3.0));
  average.update();
  EXPECT_EQ(average.state_dict().at("0.weight").to_vector<float>(), (std::vector<float>{2, 2, 0, 0}));
  state.prune(mask({0}));
  state.wake(mask({3}), WakeValue::Zero);
  state.grow(mask({3}));
  state.sleep();
  state.assign(Tensor::full({1, 4}, 4.0));
  EXPECT_NE(error_of([&] { average.swap(); }), "");
  average.update();
  EXPECT_EQ(average.state_dict().at("0.weight").to_vector<float>(), (std::vector<float>{0, 3, 0, 4}));
  average.swap();
  EXPECT_EQ(network.parameter("0.weight").to_dense().to_vector<float>(), (std::vector<float>{0, 3, 0, 4}));
}

TEST(MovingAverage, RefusesAnImpossibleDecay) {
  Sequential network;
  EXPECT_EQ(error_of([&] { MovingAverage(network, 1.5); }), "[MovingAverage] expects a decay in [0, 1]; got 1.5");
}

}  // namespace
}  // namespace coppice::nn
