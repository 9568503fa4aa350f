#pragma once

#include <span>

#include <coppice/core/export.h>

namespace coppice::train {

/// The arithmetic mean; NaN of nothing.
COPPICE_API double mean(std::span<const double> values);
/// The sample standard deviation (n − 1); 0 of fewer than two values.
COPPICE_API double standard_deviation(std::span<const double> values);

/// P(|T| ≤ t) for Student's t with `degrees` ≥ 1 degrees of freedom.
COPPICE_API double student_t_coverage(double t, int degrees);
/// The t with that coverage: 0.95 gives 12.706 for 1 degree of freedom and 2.776 for 4.
COPPICE_API double student_t_quantile(double coverage, int degrees);

/// A mean and its two-sided t-interval. Of fewer than two values the interval is unbounded.
struct Interval {
  double mean = 0.0;
  double low = 0.0;
  double high = 0.0;
};

/// Of paired differences, this is the paired t-interval.
COPPICE_API Interval t_interval(std::span<const double> values, double coverage = 0.95);

}  // namespace coppice::train
