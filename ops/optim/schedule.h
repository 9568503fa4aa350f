#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include <coppice/core/export.h>

/// Learning-rate schedules: pure functions from the step (or epoch) to a factor, for Optimizer::set_lr_factor.
/// Without state, a resumed run needs nothing but its step.
namespace coppice::optim::schedule {

using Schedule = std::function<double(std::int64_t step)>;

/// Always `factor`.
COPPICE_API Schedule constant(double factor = 1.0);
/// Half a cosine from 1 at step 0 to end_factor at t_max, and end_factor after it (CosineAnnealingLR, not periodic).
COPPICE_API Schedule cosine(std::int64_t t_max, double end_factor = 0.0);
/// × gamma every step_size steps (StepLR).
COPPICE_API Schedule step(std::int64_t step_size, double gamma = 0.1);
/// × gamma at each of the increasing milestones (MultiStepLR).
COPPICE_API Schedule multi_step(std::vector<std::int64_t> milestones, double gamma = 0.1);
/// × gamma every step (ExponentialLR).
COPPICE_API Schedule exponential(double gamma);
/// (1 − step / total_iters)^power, and 0 from total_iters on (PolynomialLR).
COPPICE_API Schedule polynomial(std::int64_t total_iters, double power = 1.0);

/// PyTorch's defaults.
struct OneCycleOptions {
  double pct_start = 0.3;  ///< share of the steps in which the rate rises
  double div_factor = 25.0;
  double final_div_factor = 1e4;
  bool linear = false;  ///< lines instead of half cosines
};
/// From 1 / div_factor up to 1, then down to 1 / (div_factor · final_div_factor) at step total_steps − 1, and that
/// after it (OneCycleLR; the optimiser's rate is its max_lr). The momentum is not cycled.
/// Source: Smith & Topin, arXiv:1708.07120.
COPPICE_API Schedule one_cycle(std::int64_t total_steps, const OneCycleOptions& options = {});
/// A line from start_factor at step 0 to end_factor at total_iters, and end_factor after it (LinearLR).
COPPICE_API Schedule linear(double start_factor = 1.0 / 3, double end_factor = 1.0, std::int64_t total_iters = 5);
/// schedules[i] from milestones[i-1] on, counting steps from there (SequentialLR).
COPPICE_API Schedule sequential(std::vector<Schedule> schedules, std::vector<std::int64_t> milestones);
/// The product of all (ChainedScheduler).
COPPICE_API Schedule chained(std::vector<Schedule> schedules);
/// Linear warm-up over `steps`, then `then` counting from 0: its first step has a factor of start_factor, so start
/// above 0 where a step at rate 0 would be wasted.
COPPICE_API Schedule warmup(std::int64_t steps, Schedule then, double start_factor = 0.0);

}  // namespace coppice::optim::schedule
