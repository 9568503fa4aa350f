#include <coppice/sparsity/schedule.h>

#include <algorithm>
#include <cmath>
#include <numbers>

namespace coppice::sparsity {

std::int64_t FractionSchedule::last_step(std::int64_t total_steps) const {
  return static_cast<std::int64_t>(std::floor(end * static_cast<double>(total_steps)));
}

double FractionSchedule::at(std::int64_t step, std::int64_t total_steps) const {
  const double period = end * static_cast<double>(total_steps);
  const double progress = period > 0.0 ? std::min(1.0, static_cast<double>(step) / period) : 1.0;
  double fraction = initial;
  if (decay == Decay::Cosine) fraction = initial / 2.0 * (1.0 + std::cos(std::numbers::pi * progress));
  if (decay == Decay::Exponential) fraction = initial * std::exp(-rate * progress);
  return std::max(fraction, minimum);
}

}  // namespace coppice::sparsity
