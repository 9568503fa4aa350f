#include <gtest/gtest.h>

#include <vector>

#include <coppice/ops/optim/adam.h>
#include <coppice/ops/optim/rmsprop.h>

#include "optim_support.h"

namespace coppice::optim {
namespace {

template <class Opt, class Options>
void expect_trajectory(const Options& options, const std::vector<double>& golden) {
  Tensor w = parameter({1});
  Opt optimizer(std::vector<Tensor>{w}, options);
  const std::vector<double> values = trajectory(optimizer, w, {2, -1, 4});
  for (std::size_t t = 0; t < golden.size(); ++t) EXPECT_NEAR(values[t], golden[t], 1e-14) << t;
}

// PyTorch 1.13 in double, from weight 1 with gradients 2, -1, 4.
TEST(Adam, FollowsPyTorch) {
  expect_trajectory<Adam>(AdamOptions{}, {0.999000000005, 0.9987336629670243, 0.9980755513692565});
  expect_trajectory<Adam>(AdamOptions{.lr = 0.1, .betas = {0.5, 0.75}, .eps = 1e-3, .weight_decay = 0.5},
                          {0.9000399840063974, 0.8724194685671689, 0.7865096217721009});
}

TEST(RMSprop, FollowsPyTorch) {
  expect_trajectory<RMSprop>(RmsPropOptions{}, {0.9000000049999998, 0.9449013284905645, 0.8574273637024784});
  const RmsPropOptions plain{.lr = 0.1, .alpha = 0.75, .eps = 1e-3, .weight_decay = 0.5};
  expect_trajectory<RMSprop>(plain, {0.8001598721023181, 0.8535182846826715, 0.6704986034336963});
  RmsPropOptions options = plain;
  options.momentum = 0.9;
  expect_trajectory<RMSprop>(options, {0.8001598721023181, 0.6736621695747579, 0.3774135201042738});
  options.centered = true;
  expect_trajectory<RMSprop>(options, {0.7692730287704675, 0.6185203840626495, 0.2638192374743253});
  options.momentum = 0.0;
  expect_trajectory<RMSprop>(options, {0.7692730287704675, 0.8261746581692287, 0.606305454316129});
}

TEST(AdamAndRMSprop, MaskedMatchesDenseWithAMaskBitForBit) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const double density : {0.0, 0.05, 0.51, 1.0}) {
      for (const bool dense_gradient : {false, true}) {
        SCOPED_TRACE(density);
        EXPECT_TRUE(masked_matches_dense<Adam>(AdamOptions{.lr = 0.1}, dtype, density, dense_gradient));
        EXPECT_TRUE(masked_matches_dense<RMSprop>(RmsPropOptions{.momentum = 0.9, .centered = true}, dtype, density,
                                                  dense_gradient));
      }
    }
  }
}

TEST(AdamAndRMSprop, InvalidOptionsThrow) {
  Tensor w = parameter({1});
  EXPECT_THROW(Adam(std::vector<Tensor>{w}, {.betas = {1.0, 0.9}}), Error);
  EXPECT_THROW(Adam(std::vector<Tensor>{w}, {.eps = -1}), Error);
  EXPECT_THROW(RMSprop(std::vector<Tensor>{w}, {.alpha = 1.0}), Error);
  EXPECT_THROW(RMSprop(std::vector<Tensor>{w}, {.momentum = -1.0}), Error);
}

}  // namespace
}  // namespace coppice::optim
