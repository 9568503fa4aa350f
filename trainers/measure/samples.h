#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/measure/clock.h>

namespace coppice::train::measure {

/// The middle value, or the mean of the middle two; NaN of nothing.
COPPICE_API double median(std::span<const double> values);
/// The median distance from the median: how far samples usually lie off.
COPPICE_API double median_deviation(std::span<const double> values);

/// A ratio of times and what it may as well have been. Of too few samples the interval is unbounded.
struct Ratio {
  double value = 0.0;
  double low = 0.0;
  double high = 0.0;
};

/// base[i] / ours[i] for samples taken in turn: the median, and the interval between order statistics that covers it
/// with at least that probability whatever the distribution (the sign test, exact). `base` and `ours` are equally long.
COPPICE_API Ratio paired_ratio(std::span<const double> base, std::span<const double> ours, double coverage = 0.95);

/// median(base) / median(ours) for samples of separate runs, with the percentile interval of `draws` bootstrap samples.
/// The same samples and seed give the same interval. Source: Efron, Annals of Statistics 1979.
COPPICE_API Ratio bootstrap_ratio(std::span<const double> base, std::span<const double> ours, double coverage = 0.95,
                                  int draws = 2000, std::uint64_t seed = 1);

/// What is left of samples that others on the machine may have disturbed.
struct Kept {
  std::vector<double> seconds{};  ///< of each sample kept: processor time on one thread, else wall-clock time
  int rejected = 0;
  std::string refused{};  ///< why the measurement says nothing; empty if it does
};

/// At least so many samples must be left.
inline constexpr int kFewestSamples = 3;
/// A sample on several threads is rejected where this thread waited for a larger share of the time, beyond what it
/// waited in the least disturbed one (for its own helpers).
inline constexpr double kMostWaiting = 0.02;
/// A measurement whose median deviation is a larger share of its median is refused.
inline constexpr double kMostDeviation = 0.05;

/// The same of several things that were sampled in turn.
struct KeptRounds {
  std::vector<std::vector<double>> seconds{};  ///< [thing][round]
  int rejected = 0;                            ///< rounds
  std::string refused{};
};

/// Keeps the processor time of every sample on one thread; on several, the wall-clock time of those not disturbed.
COPPICE_API Kept keep(std::span<const Sample> samples, int threads);
/// As keep, but a sample that is rejected takes those of the other things in its round with it: what is left stays
/// paired. `samples` are [thing][round].
COPPICE_API KeptRounds keep_rounds(std::span<const std::vector<Sample>> samples, int threads,
                                   double most_deviation = kMostDeviation, double most_waiting = kMostWaiting);

}  // namespace coppice::train::measure
