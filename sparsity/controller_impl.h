#pragma once

// What a MaskController holds; shared by controller.cpp (the cycle) and controller_state.cpp (checkpoints).

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/module.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/mask_history.h>
#include <coppice/sparsity/selection.h>
#include <coppice/sparsity/units.h>

namespace coppice::sparsity {

namespace detail {

/// A Masked weight under control, and what the present cycle did to it so far.
struct ControlledLayer {
  std::string name;
  Tensor weight;
  detail::MaskHistory history;
  Mask before;       ///< alive when the cycle's drop came
  Mask dropped;      ///< by this cycle
  Mask after_prune;  ///< before without dropped

  WeightState& state() const { return weight.weight_state(); }
  Units units() const { return {weight.shape(), state().pattern()}; }
};

}  // namespace detail

struct MaskController::Impl {
  Impl(nn::Module& controlled, MaskPolicy chosen, Plan planned)
      : model(controlled), policy(std::move(chosen)), plan(planned) {}

  nn::Module& model;
  MaskPolicy policy;
  Plan plan;
  std::vector<detail::ControlledLayer> layers;
  std::int64_t prunable_numel = 0;  ///< of all prunable layers, dense ones included
  std::int64_t dense_numel = 0;     ///< of the dense ones
  std::vector<UpdateRecord> records;
  std::optional<std::int64_t> begun;  ///< the iteration between begin_step and end_step
  double fraction = 0.0;              ///< of this cycle
  bool exploring = false;             ///< between a wake and its growth
  std::vector<Tensor> frozen;         ///< dense parameters that do not train during this exploration
  std::optional<nn::BatchNormGuard> norm_guard;

  CycleStep cycle(std::int64_t step) const {
    return layers.empty() ? CycleStep{} : cycle_step(policy, step, plan.total_steps);
  }

  void wake();
  /// Holds what exploration does not train, and the batch norms.
  void freeze();
  void thaw();
  /// How many units of a layer the present cycle may drop.
  std::int64_t droppable(const detail::ControlledLayer& layer) const;
  void drop(const CycleStep& step, std::int64_t at);
  void grow(const CycleStep& step, std::int64_t at);
  void apply(detail::ControlledLayer& layer, const Mask& grown, const CycleStep& step);
  /// Of the units among the candidates, those only that the layer's pattern lets be taken.
  Scores score(const detail::ControlledLayer& layer, const Criterion& criterion, const Mask& candidates, Take take,
               const CycleStep& step) const;
  /// As many units of each layer as `counts` says, or of all together; gives their weights.
  std::vector<Mask> choose(const Criterion& criterion, const std::vector<Mask>& candidates,
                           const std::vector<std::int64_t>& counts, Take take, const CycleStep& step) const;
  /// Throws unless the layers' units have as many weights.
  void check_same_blocks() const;
  void record(const CycleStep& step, std::int64_t at, const std::vector<Mask>& grown);
};

}  // namespace coppice::sparsity
