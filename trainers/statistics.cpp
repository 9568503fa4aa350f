#include <coppice/trainers/statistics.h>

#include <cmath>
#include <limits>
#include <numbers>

#include <coppice/core/error.h>

namespace coppice::train {

double mean(std::span<const double> values) {
  double sum = 0.0;
  for (const double value : values) sum += value;
  return sum / static_cast<double>(values.size());
}

double standard_deviation(std::span<const double> values) {
  if (values.size() < 2) return 0.0;
  const double centre = mean(values);
  double squares = 0.0;
  for (const double value : values) squares += (value - centre) * (value - centre);
  return std::sqrt(squares / static_cast<double>(values.size() - 1));
}

// The finite series for integer degrees of freedom: Abramowitz and Stegun 26.7.3 and 26.7.4.
double student_t_coverage(double t, int degrees) {
  COPPICE_CHECK(degrees >= 1, "[student_t] expects at least 1 degree of freedom; got ", degrees);
  const double theta = std::atan(t / std::sqrt(static_cast<double>(degrees)));
  const double squared = std::cos(theta) * std::cos(theta);
  const bool odd = degrees % 2 == 1;
  double term = odd ? std::cos(theta) : 1.0;
  double series = degrees == 1 ? 0.0 : term;
  for (int k = odd ? 3 : 2; k <= degrees - 2; k += 2) {
    term *= squared * static_cast<double>(k - 1) / static_cast<double>(k);
    series += term;
  }
  return odd ? 2.0 / std::numbers::pi * (theta + std::sin(theta) * series) : std::sin(theta) * series;
}

double student_t_quantile(double coverage, int degrees) {
  COPPICE_CHECK(coverage > 0.0 && coverage < 1.0, "[student_t] expects a coverage in (0, 1); got ", coverage);
  double low = 0.0;
  double high = 1.0;
  while (student_t_coverage(high, degrees) < coverage) high *= 2.0;
  for (int i = 0; i < 100; ++i) {
    const double middle = 0.5 * (low + high);
    (student_t_coverage(middle, degrees) < coverage ? low : high) = middle;
  }
  return 0.5 * (low + high);
}

Interval t_interval(std::span<const double> values, double coverage) {
  const double centre = mean(values);
  if (values.size() < 2) {
    constexpr double kInfinity = std::numeric_limits<double>::infinity();
    return {.mean = centre, .low = -kInfinity, .high = kInfinity};
  }
  const double half = student_t_quantile(coverage, static_cast<int>(values.size()) - 1) * standard_deviation(values) /
                      std::sqrt(static_cast<double>(values.size()));
  return {.mean = centre, .low = centre - half, .high = centre + half};
}

}  // namespace coppice::train
