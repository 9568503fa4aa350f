#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/trainers/measure/clock.h>
#include <coppice/trainers/measure/conditions.h>

namespace coppice::train {

/// Which training steps are timed.
struct StepTimingOptions {
  std::string network = "resnet20";  ///< a name of step_networks()
  double sparsity = 0.0;             ///< of the prunable weights; 0: all dense
  sparsity::Distribution distribution = sparsity::Distribution::Erk;
  std::int64_t batch_size = 128;
  int steps = 7;   ///< timed
  int warmup = 2;  ///< not timed: they allocate and build kernels' structures
  std::uint64_t seed = 0;
};

/// Medians over the timed steps, and memory.
struct StepTiming {
  StepTimingOptions options{};
  std::int64_t weights = 0;     ///< parameters, dead ones included
  std::int64_t alive = 0;       ///< parameters that are stored
  measure::Sample forward{};    ///< network and loss
  measure::Sample backward{};   ///< gradients of all parameters
  measure::Sample update{};     ///< SGD with momentum and weight decay
  measure::Sample step{};       ///< the three in a row
  std::int64_t peak_bytes = 0;  ///< of tensors, while steps are timed: parameters, state, gradients and activations
};

/// `mnist_mlp` (784, 300, 100, 10 on 28 × 28), `resnet20` and `resnet18` (small stem; both on 3 × 32 × 32, 10 classes).
COPPICE_API std::vector<std::string> step_networks();

/// Builds a network with random static masks and trains it on one random batch. Uses as many threads as are set; the
/// processor time is that of the calling thread. Throws `[step_timing] …`.
COPPICE_API StepTiming time_steps(const StepTimingOptions& options);

/// One step of such a training; what it trains lives in the function.
COPPICE_API std::function<void()> training_step(const StepTimingOptions& options);

/// A table by RFC 4180, one row a timing, times in seconds; the conditions stand above it as lines `# key: value`.
COPPICE_API std::string to_csv(const std::vector<StepTiming>& timings, const measure::Conditions& conditions);

}  // namespace coppice::train
