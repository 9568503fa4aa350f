#include <coppice/sparsity/cost.h>

#include <gtest/gtest.h>

#include <vector>

#include <coppice/core/flops.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::short_iee;
using testing::short_rigl;
using testing::Training;

/// Forward FLOPs of the batch: densities are those that exist, so that products are exact.
ForwardFlops flops_of(Training& training) {
  ForwardFlops flops;
  const auto batch = static_cast<double>(training.data.inputs.size(0));
  for (const nn::PrunableWeight& weight : training.weights()) {
    const auto numel = static_cast<double>(weight.tensor().numel());
    flops.dense += 2.0 * batch * numel;
    flops.sparse +=
        2.0 * batch *
        (weight.tensor().is_masked() ? static_cast<double>(weight.tensor().weight_state().alive().count()) : numel);
  }
  return flops;
}

/// Effective FLOPs of iterations [first, last); the input takes a gradient, so that no product is left out.
double measured(Training& training, std::int64_t first, std::int64_t last) {
  training.data.inputs.requires_grad_();
  const FlopScope scope;
  for (std::int64_t at = first; at < last; ++at) training.step(at);
  return scope.count().total_effective();
}

TEST(Cost, DenseAndStaticStepsMatchTheFormulas) {
  Training nothing_pruned(dense(), 10);
  const ForwardFlops all = flops_of(nothing_pruned);
  EXPECT_EQ(all.dense, all.sparse);
  EXPECT_EQ(measured(nothing_pruned, 0, 3), 3 * dense_step_flops(all));

  MaskPolicy fixed = static_mask();
  fixed.density = 0.2;
  fixed.dense_last = true;
  Training pruned(fixed, 10);
  const ForwardFlops flops = flops_of(pruned);
  EXPECT_LT(flops.sparse, 0.25 * flops.dense);
  EXPECT_EQ(measured(pruned, 0, 3), 3 * static_step_flops(flops));
}

TEST(Cost, ARigLCycleMatchesTheFormula) {
  Training training(short_rigl(4), 100);
  const ForwardFlops flops = flops_of(training);
  EXPECT_EQ(measured(training, 0, 4), 4 * static_step_flops(flops));
  EXPECT_EQ(measured(training, 4, 5), 2 * flops.sparse + flops.dense);
  EXPECT_DOUBLE_EQ(measured(training, 5, 10), 5 * rigl_step_flops(flops, 4));
}

TEST(Cost, AnIeeCycleMatchesTheFormula) {
  // The formula takes the number of alive weights as constant: exact where nothing is exchanged.
  MaskPolicy policy = short_iee(3, 2, 4);
  policy.fraction.initial = 0.0;
  policy.dense_last = true;
  Training training(policy, 100);
  const ForwardFlops flops = flops_of(training);
  EXPECT_DOUBLE_EQ(measured(training, 0, 9), 9 * iee_step_flops(flops, 4.0 / 9.0));
  EXPECT_DOUBLE_EQ(measured(training, 9, 14), 5 * static_step_flops(flops));
  EXPECT_DOUBLE_EQ(measured(training, 14, 18), 4 * (3 * flops.dense - flops.sparse));
}

TEST(Cost, AnIeeCycleCountsWhatTheDropLeft) {
  Training training(short_iee(3, 2, 4), 100);
  const ForwardFlops before = flops_of(training);
  EXPECT_EQ(measured(training, 0, 3), 3 * static_step_flops(before));
  const ForwardFlops pruned = flops_of(training);
  EXPECT_LT(pruned.sparse, 0.75 * before.sparse);
  EXPECT_EQ(measured(training, 3, 5), 2 * static_step_flops(pruned));
  EXPECT_EQ(measured(training, 5, 9), 4 * (3 * pruned.dense - pruned.sparse));
  EXPECT_EQ(flops_of(training).sparse, before.sparse);
}

TEST(Cost, TheMeanOverATrainingFollowsItsCycles) {
  const ForwardFlops flops{.dense = 1000, .sparse = 100};
  EXPECT_DOUBLE_EQ(mean_step_flops(static_mask(), flops, 50), 300);
  MaskPolicy gradient = short_rigl(9);
  gradient.fraction.end = 1.0;
  EXPECT_DOUBLE_EQ(mean_step_flops(gradient, flops, 100), rigl_step_flops(flops, 9));
  MaskPolicy explore = short_iee(5, 5, 5);
  explore.fraction.end = 0.75;
  EXPECT_DOUBLE_EQ(mean_step_flops(explore, flops, 80), iee_step_flops(flops, 0.75 / 3));
  // The sheet's example: ResNet-50, ERK 90 %, a third of the steps in cycles explores.
  const ForwardFlops resnet{.dense = 1.0, .sparse = 0.242};
  EXPECT_NEAR(iee_step_flops(resnet, 0.25 / 3) / 3, 0.298, 1e-3);
  EXPECT_NEAR(iee_step_flops(resnet, 0.50 / 3) / 3, 0.355, 1e-3);
  EXPECT_NEAR(iee_step_flops(resnet, 0.75 / 3) / 3, 0.411, 1e-3);
  EXPECT_NEAR(rigl_step_flops(resnet, 100) / 3, 0.244, 1e-3);
}

}  // namespace
}  // namespace coppice::sparsity
