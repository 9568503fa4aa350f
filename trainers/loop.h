#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/flops.h>
#include <coppice/ops/plan.h>
#include <coppice/trainers/data/loader.h>

namespace coppice::nn {
class Module;
}
namespace coppice::optim {
class Optimizer;
}
namespace coppice::sparsity {
class MaskController;
}

namespace coppice::train {

/// How a network does on some images.
struct Evaluation {
  double loss = 0.0;      ///< mean cross-entropy
  double accuracy = 0.0;  ///< fraction whose largest logit is the label's
  std::int64_t count = 0;
};

/// Images that evaluate() takes at once.
inline constexpr std::int64_t kEvaluationBatch = 256;

/// Runs the network over the images in evaluation mode, unrecorded; restores the mode.
COPPICE_API Evaluation evaluate(nn::Module& model, std::shared_ptr<const ExampleSource> source,
                                std::span<const std::int64_t> indices, const Normalisation& normalisation,
                                std::int64_t batch_size = kEvaluationBatch);
COPPICE_API Evaluation evaluate(nn::Module& model, const Dataset& dataset, std::span<const std::int64_t> indices,
                                const Normalisation& normalisation, std::int64_t batch_size = kEvaluationBatch);

/// Where a training stood at a step: means over the steps since the record before.
struct EpochRecord {
  std::int64_t step = 0;  ///< steps done
  double epoch = 0.0;     ///< epochs done
  double learning_rate = 0.0;
  double loss = 0.0;
  double accuracy = 0.0;
  std::optional<Evaluation> validation{};
  double seconds = 0.0;          ///< training since the start
  double effective_flops = 0.0;  ///< likewise
};

/// Sums over images.
struct Tally {
  double loss = 0.0;
  std::int64_t correct = 0;
  std::int64_t count = 0;
};

/// What a training cost and how it went, up to a step: all that fit needs to go on from there beside the network.
struct FitResult {
  std::int64_t steps = 0;  ///< done; fewer than asked when stopped
  bool stopped = false;
  std::vector<EpochRecord> records{};
  Tally since_record{};         ///< of the steps after the last record
  FlopCount flops{};            ///< of training, all steps
  double seconds = 0.0;         ///< wall clock of training: batches, forward, backward, optimiser, mask; no evaluation
  double cpu_seconds = 0.0;     ///< the same as processor time of the calling thread
  std::int64_t peak_bytes = 0;  ///< most bytes this thread's allocator held, the model included
  std::int64_t exploration_peak_bytes = 0;   ///< likewise while the mask explored; 0 when it never did
  std::int64_t exploitation_peak_bytes = 0;  ///< likewise in all other steps
};

struct FitOptions {
  std::int64_t steps = 0;
  /// Factor on the optimiser's learning rates at a step; empty: 1.
  std::function<double(std::int64_t step)> lr_factor{};
  /// Measured at records, never while the mask explores; empty: not measured.
  std::function<Evaluation()> validate{};
  std::int64_t record_every = 0;  ///< steps between records; 0: one an epoch
  /// Called with every record as it is made.
  std::function<void(const EpochRecord& record)> on_record{};
  /// Called after the first step that fit makes, with the kernels that ran its forward and backward.
  std::function<void(const Plan& kernels)> on_kernels{};
  /// Called after every step with how many are done.
  std::function<void(std::int64_t done)> on_step{};
  /// When it becomes true, training ends before the next step.
  const std::atomic<bool>* stop = nullptr;
  /// Called with what fit would return if it ended there: every `checkpoint_every` steps (0: never), after the last
  /// step, and when training stops. What it takes is not counted as training.
  std::function<void(const FitResult& so_far)> on_checkpoint{};
  std::int64_t checkpoint_every = 0;
  /// What on_checkpoint got: training goes on after that many steps, with model, optimiser and controller as they were
  /// there. null: from the start.
  const FitResult* resume = nullptr;
};

/// Trains by mini-batches with the cross-entropy: the one loop for dense and sparse training. `controller` decides what
/// each step is; null: every step is an ordinary one. Deterministic: the result but for its seconds depends on the
/// arguments alone, and a training that is stopped and resumed gives what an unbroken one does.
COPPICE_API FitResult fit(nn::Module& model, optim::Optimizer& optimizer, DataLoader& loader,
                          sparsity::MaskController* controller, const FitOptions& options);

}  // namespace coppice::train
