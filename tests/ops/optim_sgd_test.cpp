#include <gtest/gtest.h>

#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/optim/sgd.h>

#include "optim_support.h"

namespace coppice::optim {
namespace {

using Values = std::vector<double>;

// Every number below is a short binary fraction, so the sequences are exact.

TEST(SGD, PlainStepAndWeightDecay) {
  Tensor w = parameter({2});
  SGD plain(std::vector<Tensor>{w}, {.lr = 0.5});
  EXPECT_EQ(trajectory(plain, w, {1, -3}), (Values{1.5, 3}));
  Tensor decayed = parameter({2});
  SGD decay(std::vector<Tensor>{decayed}, {.lr = 0.5, .weight_decay = 0.25});
  EXPECT_EQ(trajectory(decay, decayed, {1, 1}), (Values{1.25, 0.59375}));
}

TEST(SGD, Momentum) {
  Tensor w = parameter({1});
  SGD optimizer(std::vector<Tensor>{w}, {.lr = 0.5, .momentum = 0.5});
  EXPECT_EQ(trajectory(optimizer, w, {1, 1, 1}), (Values{0.5, -0.25, -1.125}));
}

TEST(SGD, TheFirstStepIsNotDampened) {
  Tensor w = parameter({1});
  SGD optimizer(std::vector<Tensor>{w}, {.lr = 0.5, .momentum = 0.5, .dampening = 0.5});
  EXPECT_EQ(trajectory(optimizer, w, {1, 1, 1}), (Values{0.5, 0, -0.5}));
}

TEST(SGD, Nesterov) {
  Tensor w = parameter({1});
  SGD optimizer(std::vector<Tensor>{w}, {.lr = 0.5, .momentum = 0.5, .nesterov = true});
  EXPECT_EQ(trajectory(optimizer, w, {1, 1}), (Values{0.25, -0.625}));
}

TEST(SGD, MaskedMatchesDenseWithAMaskBitForBit) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const double density : {0.0, 0.05, 0.5, 0.51, 0.9, 1.0}) {
      for (const bool dense_gradient : {false, true}) {
        SCOPED_TRACE(density);
        EXPECT_TRUE(
            masked_matches_dense<SGD>(SgdOptions{.lr = 0.1, .weight_decay = 0.01}, dtype, density, dense_gradient));
        EXPECT_TRUE(
            masked_matches_dense<SGD>(SgdOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.1, .weight_decay = 0.01},
                                      dtype, density, dense_gradient));
        EXPECT_TRUE(
            masked_matches_dense<SGD>(SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
                                      dtype, density, dense_gradient));
      }
    }
  }
}

TEST(SGD, ResultsDoNotDependOnThreads) {
  const auto run = [](int threads) {
    const ThreadLimit limit(threads);
    Generator generator(4);
    const Shape shape{300, 401};
    const Mask alive = Mask::random(shape, 70000, generator);
    Tensor sparse = Tensor::masked(Tensor::randn(shape, generator), alive).requires_grad_();
    Tensor dense = Tensor::randn(shape, generator).requires_grad_();
    SGD optimizer(std::vector<Tensor>{sparse, dense}, {.lr = 0.1, .momentum = 0.9, .nesterov = true});
    for (int step = 0; step < 3; ++step) {
      sparse.set_grad(Tensor::randn({70000}, generator));
      dense.set_grad(Tensor::randn(shape, generator));
      optimizer.step();
    }
    return std::vector<Tensor>{sparse.to_dense(), dense.detach()};
  };
  set_num_threads(4);
  const std::vector<Tensor> one = run(1);
  const std::vector<Tensor> four = run(4);
  EXPECT_TRUE(bit_equal(one[0], four[0]));
  EXPECT_TRUE(bit_equal(one[1], four[1]));
}

TEST(SGD, InvalidOptionsThrow) {
  Tensor w = parameter({1});
  const auto make = [&](SgdOptions options) { SGD(std::vector<Tensor>{w}, options); };
  EXPECT_THROW(make({.lr = -1}), Error);
  EXPECT_THROW(make({.momentum = -1}), Error);
  EXPECT_THROW(make({.weight_decay = -1}), Error);
  EXPECT_THROW(make({.nesterov = true}), Error);
  EXPECT_THROW(make({.momentum = 0.9, .dampening = 0.1, .nesterov = true}), Error);
}

}  // namespace
}  // namespace coppice::optim
