#pragma once

#include <cstdint>
#include <string_view>

#include <coppice/core/export.h>
#include <coppice/sparsity/policy.h>

namespace coppice::sparsity {

/// Where in a cycle an iteration lies.
enum class Phase : std::uint8_t {
  Importance,   ///< H: training before a drop
  Accuracy,     ///< J: training of what is left
  Exploration,  ///< Q: training of what was pruned
  Update,       ///< an iteration whose backward serves the mask only
  Fixed,        ///< training outside the update period
};
COPPICE_API std::string_view name_of(Phase phase);

/// What a policy asks of one iteration.
struct CycleStep {
  Phase phase = Phase::Fixed;
  std::int64_t update = 0;      ///< which cycle, from 0
  bool wake = false;            ///< before the iteration
  bool dense_gradient = false;  ///< its backward must give dense gradients
  bool optimizer_step = true;
  bool drop = false;  ///< after the iteration
  bool grow = false;  ///< after the iteration; with drop: both at once
};

/// Cycles follow each other from step 0; one takes place if its last iteration is within the update period and the
/// training.
COPPICE_API CycleStep cycle_step(const MaskPolicy& policy, std::int64_t step, std::int64_t total_steps);

/// How many cycles take place.
COPPICE_API std::int64_t cycle_count(const MaskPolicy& policy, std::int64_t total_steps);

}  // namespace coppice::sparsity
