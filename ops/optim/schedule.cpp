#include <coppice/ops/optim/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>
#include <utility>

#include <coppice/core/error.h>

namespace coppice::optim::schedule {

namespace {

bool is_increasing(const std::vector<std::int64_t>& milestones) {
  return std::ranges::adjacent_find(milestones, std::greater_equal<>()) == milestones.end();
}

double milestones_passed(const std::vector<std::int64_t>& milestones, std::int64_t step) {
  return static_cast<double>(std::ranges::upper_bound(milestones, step) - milestones.begin());
}

}  // namespace

Schedule constant(double factor) {
  return [factor](std::int64_t) { return factor; };
}

Schedule cosine(std::int64_t t_max, double end_factor) {
  COPPICE_CHECK(t_max >= 1, "[schedule] cosine expects t_max >= 1; got ", t_max);
  return [=](std::int64_t step) {
    const double done = static_cast<double>(std::min(step, t_max)) / static_cast<double>(t_max);
    return end_factor + (1.0 - end_factor) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  };
}

Schedule step(std::int64_t step_size, double gamma) {
  COPPICE_CHECK(step_size >= 1, "[schedule] step expects step_size >= 1; got ", step_size);
  return [=](std::int64_t at) { return std::pow(gamma, static_cast<double>(at / step_size)); };
}

Schedule multi_step(std::vector<std::int64_t> milestones, double gamma) {
  COPPICE_CHECK(is_increasing(milestones), "[schedule] multi_step expects increasing milestones");
  return [milestones = std::move(milestones), gamma](std::int64_t step) {
    return std::pow(gamma, milestones_passed(milestones, step));
  };
}

Schedule linear(double start_factor, double end_factor, std::int64_t total_iters) {
  COPPICE_CHECK(total_iters >= 1, "[schedule] linear expects total_iters >= 1; got ", total_iters);
  return [=](std::int64_t step) {
    const double done = static_cast<double>(std::min(step, total_iters)) / static_cast<double>(total_iters);
    return start_factor + (end_factor - start_factor) * done;
  };
}

Schedule exponential(double gamma) {
  return [gamma](std::int64_t step) { return std::pow(gamma, static_cast<double>(step)); };
}

Schedule polynomial(std::int64_t total_iters, double power) {
  COPPICE_CHECK(total_iters >= 1, "[schedule] polynomial expects total_iters >= 1; got ", total_iters);
  return [=](std::int64_t step) {
    const double done = static_cast<double>(std::min(step, total_iters)) / static_cast<double>(total_iters);
    return std::pow(1.0 - done, power);
  };
}

Schedule one_cycle(std::int64_t total_steps, const OneCycleOptions& options) {
  COPPICE_CHECK(total_steps >= 2 && options.pct_start > 0.0 && options.pct_start < 1.0,
                "[schedule] one_cycle expects at least 2 steps and pct_start in (0, 1); got ", total_steps, " and ",
                options.pct_start);
  COPPICE_CHECK(options.div_factor > 0.0 && options.final_div_factor > 0.0,
                "[schedule] one_cycle expects factors above 0; got ", options.div_factor, " and ",
                options.final_div_factor);
  const double last = static_cast<double>(total_steps - 1);
  const double peak = options.pct_start * static_cast<double>(total_steps) - 1.0;
  const double start = 1.0 / options.div_factor, end = start / options.final_div_factor;
  const bool linear = options.linear;
  const auto between = [linear](double from, double to, double done) {
    return linear ? from + (to - from) * done : to + (from - to) * 0.5 * (1.0 + std::cos(std::numbers::pi * done));
  };
  return [=](std::int64_t step) {
    const double at = std::min(static_cast<double>(step), last);
    return at <= peak ? between(start, 1.0, at / peak) : between(1.0, end, (at - peak) / (last - peak));
  };
}

Schedule sequential(std::vector<Schedule> schedules, std::vector<std::int64_t> milestones) {
  COPPICE_CHECK(schedules.size() == milestones.size() + 1 && is_increasing(milestones),
                "[schedule] sequential expects increasing milestones, one fewer than schedules; got ",
                milestones.size(), " for ", schedules.size());
  return [schedules = std::move(schedules), milestones = std::move(milestones)](std::int64_t step) {
    const auto passed = static_cast<std::size_t>(milestones_passed(milestones, step));
    return schedules[passed](passed == 0 ? step : step - milestones[passed - 1]);
  };
}

Schedule chained(std::vector<Schedule> schedules) {
  return [schedules = std::move(schedules)](std::int64_t step) {
    double factor = 1.0;
    for (const Schedule& schedule : schedules) factor *= schedule(step);
    return factor;
  };
}

Schedule warmup(std::int64_t steps, Schedule then, double start_factor) {
  if (steps == 0) return then;
  return sequential({linear(start_factor, 1.0, steps), std::move(then)}, {steps});
}

}  // namespace coppice::optim::schedule
