#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include <coppice/trainers/data/loader.h>
#include <coppice/trainers/reactivation/recipe.h>
#include <coppice/trainers/results.h>

namespace coppice::train::reactivation {

/// What runs of one seed share, so that they are paired: besides it the initial weights, the order of the data and the
/// start of the mask depend on the seed alone.
struct SeedData {
  std::uint64_t seed = 0;
  Split split{};
  Normalisation normalisation{};
};

/// One training to do.
struct RunPlan {
  Method method{};
  double sparsity = 0.0;
  sparsity::MaskPolicy policy{};  ///< for all but Dense and SmallDense
  std::int64_t steps = 0;
  bool keep_picture = false;  ///< whether the result keeps alive_per_input
};

/// FLOPs of one training step of the dense network, as the ops report them.
COPPICE_API double dense_step_flops(const Training& training);

/// Trains and tests. The test images are looked at once, after training. When stopped, the result's `steps` are fewer
/// than planned and its accuracies are 0. `kernels` says which kernels run.
COPPICE_API RunResult run(const RunPlan& plan, const Training& training, const TrainTest& data, const SeedData& seed,
                          const std::function<void(std::int64_t done)>& on_step, const std::atomic<bool>* stop,
                          const Plan& kernels = {});

}  // namespace coppice::train::reactivation
