#include <coppice/trainers/measure/samples.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <sstream>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>

namespace coppice::train::measure {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

double middle(std::vector<double>& values) {
  if (values.empty()) return std::numeric_limits<double>::quiet_NaN();
  const auto half = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), half, values.end());
  if (values.size() % 2 == 1) return *half;
  return (*half + *std::max_element(values.begin(), half)) / 2.0;
}

/// The largest r for which fewer than r of n fair coins come up heads with probability of at most `tail`.
std::size_t sign_rank(std::size_t n, double tail) {
  double probability = std::pow(0.5, static_cast<double>(n));  // of exactly r heads
  double below = probability;
  std::size_t r = 0;
  while (below <= tail && r < n / 2) {
    ++r;
    probability *= static_cast<double>(n - r + 1) / static_cast<double>(r);
    below += probability;
  }
  return r;
}

/// The share of the time that the thread did not compute.
double waiting(const Sample& sample) { return sample.wall > 0.0 ? std::max(0.0, 1.0 - sample.cpu / sample.wall) : 0.0; }

/// Why what is left of `taken` samples says nothing; empty if it does.
std::string refusal(std::span<const double> seconds, std::size_t taken, double most_deviation) {
  std::ostringstream reason;
  reason.precision(2);
  const double share = median_deviation(seconds) / median(seconds);
  if (seconds.size() < kFewestSamples) {
    reason << "noisy: " << seconds.size() << " of " << taken << " samples undisturbed";
  } else if (share > most_deviation) {
    reason << "noisy: samples usually lie " << 100.0 * share << " % off their median";
  }
  return reason.str();
}

}  // namespace

double median(std::span<const double> values) {
  std::vector<double> copy(values.begin(), values.end());
  return middle(copy);
}

double median_deviation(std::span<const double> values) {
  const double centre = median(values);
  std::vector<double> distances;
  distances.reserve(values.size());
  for (const double value : values) distances.push_back(std::abs(value - centre));
  return middle(distances);
}

Ratio paired_ratio(std::span<const double> base, std::span<const double> ours, double coverage) {
  COPPICE_CHECK(base.size() == ours.size(), "[paired_ratio] expects as many samples of one as of the other; got ",
                base.size(), " and ", ours.size());
  std::vector<double> ratios;
  ratios.reserve(base.size());
  for (std::size_t i = 0; i < base.size(); ++i) ratios.push_back(base[i] / ours[i]);
  std::ranges::sort(ratios);
  const std::size_t rank = sign_rank(ratios.size(), (1.0 - coverage) / 2.0);
  if (rank == 0) return {median(ratios), -kInfinity, kInfinity};
  return {median(ratios), ratios[rank - 1], ratios[ratios.size() - rank]};
}

Ratio bootstrap_ratio(std::span<const double> base, std::span<const double> ours, double coverage, int draws,
                      std::uint64_t seed) {
  const double value = median(base) / median(ours);
  if (base.size() < kFewestSamples || ours.size() < kFewestSamples) return {value, -kInfinity, kInfinity};
  Generator generator(seed);
  std::vector<double> drawn;
  const auto median_of_draw = [&](std::span<const double> from) {
    drawn.clear();
    for (std::size_t i = 0; i < from.size(); ++i) {
      drawn.push_back(from[static_cast<std::size_t>(generator.below(from.size()))]);
    }
    return middle(drawn);
  };
  std::vector<double> ratios;
  ratios.reserve(static_cast<std::size_t>(draws));
  for (int i = 0; i < draws; ++i) {
    const double of_base = median_of_draw(base);
    ratios.push_back(of_base / median_of_draw(ours));
  }
  std::ranges::sort(ratios);
  const auto at = [&](double fraction) {
    return ratios[static_cast<std::size_t>(fraction * static_cast<double>(ratios.size() - 1))];
  };
  return {value, at((1.0 - coverage) / 2.0), at((1.0 + coverage) / 2.0)};
}

KeptRounds keep_rounds(std::span<const std::vector<Sample>> samples, int threads, double most_deviation,
                       double most_waiting) {
  KeptRounds kept;
  kept.seconds.resize(samples.size());
  const std::size_t rounds = samples.empty() ? 0 : samples[0].size();
  std::vector<double> least(samples.size(), 1.0);
  for (std::size_t thing = 0; thing < samples.size(); ++thing) {
    for (const Sample& sample : samples[thing]) least[thing] = std::min(least[thing], waiting(sample));
  }
  for (std::size_t round = 0; round < rounds; ++round) {
    bool undisturbed = true;
    for (std::size_t thing = 0; thing < samples.size(); ++thing) {
      undisturbed = undisturbed && waiting(samples[thing][round]) <= least[thing] + most_waiting;
    }
    if (threads > 1 && !undisturbed) {
      ++kept.rejected;
      continue;
    }
    for (std::size_t thing = 0; thing < samples.size(); ++thing) {
      const Sample& sample = samples[thing][round];
      kept.seconds[thing].push_back(threads == 1 ? sample.cpu : sample.wall);
    }
  }
  for (const std::vector<double>& seconds : kept.seconds) {
    if (kept.refused.empty()) kept.refused = refusal(seconds, rounds, most_deviation);
  }
  return kept;
}

Kept keep(std::span<const Sample> samples, int threads) {
  const std::vector<Sample> one(samples.begin(), samples.end());
  KeptRounds kept = keep_rounds({&one, 1}, threads);
  return {std::move(kept.seconds[0]), kept.rejected, std::move(kept.refused)};
}

}  // namespace coppice::train::measure
