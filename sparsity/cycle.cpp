#include <coppice/sparsity/cycle.h>

#include <algorithm>

namespace coppice::sparsity {

std::string_view name_of(Phase phase) {
  switch (phase) {
    case Phase::Importance: return "importance";
    case Phase::Accuracy: return "accuracy";
    case Phase::Exploration: return "exploration";
    case Phase::Update: return "update";
    case Phase::Fixed: return "fixed";
  }
  return "";
}

std::int64_t cycle_count(const MaskPolicy& policy, std::int64_t total_steps) {
  if (!policy.updates()) return 0;
  const std::int64_t last = std::min(policy.fraction.last_step(total_steps), total_steps - 1);
  return (last + 1) / policy.cycle_steps();
}

CycleStep cycle_step(const MaskPolicy& policy, std::int64_t step, std::int64_t total_steps) {
  CycleStep result;
  if (!policy.updates()) return result;
  result.update = step / policy.cycle_steps();
  if (result.update >= cycle_count(policy, total_steps)) return result;

  const std::int64_t within = step % policy.cycle_steps();
  const std::int64_t wake_at = policy.interval + policy.accuracy_steps;
  const std::int64_t sleep_at = wake_at + policy.exploration_steps;
  if (within < policy.interval) {
    result.phase = Phase::Importance;
  } else if (within < wake_at) {
    result.phase = Phase::Accuracy;
  } else if (within < sleep_at) {
    result.phase = Phase::Exploration;
  } else {
    result.phase = Phase::Update;
  }
  const bool together = policy.accuracy_steps + policy.exploration_steps == 0;
  const bool last = within == policy.cycle_steps() - 1;
  result.wake = policy.exploration_steps > 0 && within == wake_at;
  result.drop = together ? last : within == policy.interval - 1;
  result.grow = last;
  result.dense_gradient =
      (result.drop && policy.drop.needs_dense_gradient) || (result.grow && policy.grow.needs_dense_gradient);
  result.optimizer_step = result.phase != Phase::Update;
  return result;
}

}  // namespace coppice::sparsity
