#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <coppice/ops/optim/adamw.h>

#include "optim_support.h"

namespace coppice::optim {
namespace {

TEST(AdamW, FollowsTheHandComputedSequence) {
  Tensor w = parameter({1});
  AdamW optimizer(std::vector<Tensor>{w}, {.lr = 0.1, .betas = {0.5, 0.75}, .eps = 0.0, .weight_decay = 0.5});
  const std::vector<double> values = trajectory(optimizer, w, {2, -1, 4});
  // Step 1: decay to 0.95, then m̂ / √v̂ = 2 / 2. Step 2: m = 1 + (−1 − 1)/2 = 0. Step 3: m = 2, v = 4.75.
  EXPECT_NEAR(values[0], 0.85, 1e-15);
  EXPECT_NEAR(values[1], 0.85 * 0.95, 1e-15);
  EXPECT_NEAR(values[2], 0.85 * 0.95 * 0.95 - 0.1 * (2 / 0.875) / std::sqrt(4.75 / 0.578125), 1e-15);
}

TEST(AdamW, DefaultsArePyTorchs) {
  Tensor w = parameter({1});
  AdamW optimizer(std::vector<Tensor>{w});
  const std::vector<double> values = trajectory(optimizer, w, {2, -1, 4});
  // The textbook form of the rule, in another arrangement of the arithmetic.
  const std::vector<double> golden = {0.998990000005, 0.9987136730670243, 0.9980455743325259};
  for (std::size_t t = 0; t < golden.size(); ++t) EXPECT_NEAR(values[t], golden[t], 1e-14);
}

TEST(AdamW, MaskedMatchesDenseWithAMaskBitForBit) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const double density : {0.0, 0.05, 0.5, 0.51, 0.9, 1.0}) {
      for (const bool dense_gradient : {false, true}) {
        SCOPED_TRACE(density);
        EXPECT_TRUE(masked_matches_dense<AdamW>(AdamWOptions{.lr = 0.1}, dtype, density, dense_gradient));
      }
    }
  }
}

TEST(AdamW, InvalidOptionsThrow) {
  Tensor w = parameter({1});
  const auto make = [&](AdamWOptions options) { AdamW(std::vector<Tensor>{w}, options); };
  EXPECT_THROW(make({.betas = {1.0, 0.9}}), Error);
  EXPECT_THROW(make({.betas = {0.9, -0.1}}), Error);
  EXPECT_THROW(make({.eps = -1}), Error);
}

}  // namespace
}  // namespace coppice::optim
