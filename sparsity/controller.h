#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>
#include <coppice/sparsity/cycle.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/sparsity/policy.h>

namespace coppice::nn {
class Module;
}
namespace coppice::optim {
class Optimizer;
}

namespace coppice::sparsity {

/// The prunable weights of a model (linear and convolution), in order.
COPPICE_API std::vector<LayerShape> prunable_layers(nn::Module& model);

/// Replaces every prunable weight of density < 1 by a Masked one that keeps its values at exactly
/// alive_count(units, density) random units of a pattern (random_mask in sparsity/projection.h), keyed by (seed, name).
/// A layer of density 1 stays a dense parameter. Call it before an optimiser takes the model's parameters.
COPPICE_API void make_sparse(nn::Module& model, const std::vector<double>& densities, std::uint64_t seed,
                             Dormant pruned = Dormant::Drop, Pattern pattern = {});
/// The same with the policy's density, distribution and pattern, and what its `start` needs.
COPPICE_API void make_sparse(nn::Module& model, const MaskPolicy& policy, std::uint64_t seed);

/// What an iteration is.
struct StepDecision {
  Phase phase = Phase::Fixed;
  bool exploring = false;
  bool optimizer_step = true;  ///< whether end_step will take one
};

/// What one update did to one layer, in weights.
struct LayerUpdate {
  std::string name;
  std::int64_t numel = 0;
  std::int64_t alive_before = 0;
  std::int64_t dropped = 0;
  std::int64_t grown = 0;    ///< as many as were chosen to live
  std::int64_t regrown = 0;  ///< of those, dropped by this same update
  std::int64_t alive_after = 0;
  double iou_after_prune = 1.0;  ///< of the mask before the update and after its drop
  double iou_after_grow = 1.0;   ///< of the mask before the update and after its growth
  double ever_alive = 0.0;       ///< R_s: share of weights that were alive outside exploration at least once
};

/// What one update did.
struct UpdateRecord {
  std::int64_t update = 0;
  std::int64_t step = 0;  ///< the iteration it was completed in
  double fraction = 0.0;  ///< the schedule's
  double iou_after_prune = 1.0;
  double iou_after_grow = 1.0;
  double ever_alive = 0.0;
  std::vector<LayerUpdate> layers;
};

struct Plan {
  std::int64_t total_steps = 0;
  std::uint64_t seed = 0;
};

/// Carries a policy out during a training. The loop is the same for every policy:
///
///     MaskController controller(model, policy, {.total_steps = steps, .seed = seed});
///     for (int64_t step = 0; step < steps; ++step) {
///       controller.begin_step(step);  // before forward
///       optimizer.zero_grad();
///       cross_entropy(model(images), labels).backward();
///       controller.end_step(step, optimizer);  // steps the optimiser, changes the mask, or both
///     }
///
/// Exploration lies inside the loop: outside it the model is as sparse as the policy says whenever `exploring` was
/// false, so evaluate after end_step of such an iteration. Mask choices depend on (seed, parameter name, update) only.
///
/// A weight keeps its pattern. Where that is one of blocks, whole blocks are dropped and grown: they are what the share
/// exchanged counts, and a block's score is the sum over its weights. Of an N:M pattern single weights are exchanged,
/// and those compete for growth that their group of M has room for: where every group is full, each grows as many of
/// its best as it dropped. Ties within a group go by position. With Ranking::Global all weights must have the same
/// blocks. A weight of whole channels is refused by policies that update.
class COPPICE_API MaskController {
 public:
  /// Takes the Masked weights `model` has now. The model must outlive the controller.
  MaskController(nn::Module& model, MaskPolicy policy, Plan plan);
  ~MaskController();
  MaskController(const MaskController&) = delete;
  MaskController& operator=(const MaskController&) = delete;

  /// Prepares iteration `step`: wakes and freezes, asks for dense gradients where the step needs them.
  StepDecision begin_step(std::int64_t step);
  /// Finishes it, gradients being there: optimizer.step() unless the iteration serves the mask only, then drop, grow
  /// and sleep where the cycle says so.
  void end_step(std::int64_t step, optim::Optimizer& optimizer);
  /// What begin_step would decide, without doing anything.
  StepDecision decide(std::int64_t step) const;

  /// All a controller needs to go on at the next iteration, given the weights with their sets and optimiser states:
  /// where the cycle stands, the masks it compares, history and records. Throws between begin_step and end_step.
  std::map<std::string, Tensor> state_dict() const;
  /// Takes what state_dict gave, into a controller of the same model, policy and plan. Call it once the weights have
  /// their sets back. Throws `[MaskController] …` where an entry is missing, unexpected or inconsistent, and then
  /// changes nothing.
  void load_state_dict(const std::map<std::string, Tensor>& state);

  const MaskPolicy& policy() const;
  const std::vector<UpdateRecord>& records() const;
  /// Share of the weights first grown at an update that are alive `lag` updates later, over all updates that far back;
  /// 0 when there are none.
  double survival(std::int64_t lag) const;
  /// Alive weights of all prunable layers, dense ones included, over their number: the density now.
  double density() const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace coppice::sparsity
