#include <coppice/sparsity/cost.h>

#include <coppice/core/error.h>
#include <coppice/sparsity/cycle.h>

namespace coppice::sparsity {

ForwardFlops forward_flops(const std::vector<double>& dense_flops, const std::vector<double>& densities) {
  COPPICE_CHECK(dense_flops.size() == densities.size(), "[forward_flops] expects one density per layer; got ",
                densities.size(), " for ", dense_flops.size(), " layers");
  ForwardFlops flops;
  for (std::size_t l = 0; l < densities.size(); ++l) {
    flops.dense += dense_flops[l];
    flops.sparse += densities[l] * dense_flops[l];
  }
  return flops;
}

double dense_step_flops(const ForwardFlops& flops) { return 3.0 * flops.dense; }

double static_step_flops(const ForwardFlops& flops) { return 3.0 * flops.sparse; }

double rigl_step_flops(const ForwardFlops& flops, std::int64_t interval) {
  const auto steps = static_cast<double>(interval);
  return (3.0 * flops.sparse * steps + 2.0 * flops.sparse + flops.dense) / (steps + 1.0);
}

double iee_step_flops(const ForwardFlops& flops, double rho) {
  return 3.0 * flops.sparse * (1.0 - rho) + (3.0 * flops.dense - flops.sparse) * rho;
}

double mean_step_flops(const MaskPolicy& policy, const ForwardFlops& flops, std::int64_t total_steps) {
  COPPICE_CHECK(total_steps > 0, "[mean_step_flops] expects a training of at least one step; got ", total_steps);
  double sum = 0.0;
  for (std::int64_t step = 0; step < total_steps; ++step) {
    const CycleStep kind = cycle_step(policy, step, total_steps);
    if (kind.phase == Phase::Exploration) {
      sum += policy.freeze_alive && !kind.dense_gradient ? 3.0 * flops.dense - flops.sparse : 3.0 * flops.dense;
    } else {
      sum += kind.dense_gradient ? 2.0 * flops.sparse + flops.dense : 3.0 * flops.sparse;
    }
  }
  return sum / static_cast<double>(total_steps);
}

}  // namespace coppice::sparsity
