#include <coppice/ops/cpu/taps.h>

#include <algorithm>

namespace coppice::cpu {

std::int64_t Taps::longest() const {
  std::int64_t count = 0;
  for (const Run& run : runs) count = std::max(count, run.count);
  return count;
}

void Taps::add(std::int64_t first, const std::vector<double>& run) {
  runs.push_back({first, static_cast<std::int64_t>(run.size()), static_cast<std::int64_t>(weights.size())});
  weights.insert(weights.end(), run.begin(), run.end());
}

Taps transpose(const Taps& taps) {
  struct Reach {
    std::int64_t first = 0, end = 0;
  };
  std::vector<Reach> reach(static_cast<std::size_t>(taps.size));
  for (std::int64_t i = 0; i < taps.outputs(); ++i) {
    const Taps::Run& run = taps.runs[static_cast<std::size_t>(i)];
    for (std::int64_t j = run.first; j < run.first + run.count; ++j) {
      Reach& r = reach[static_cast<std::size_t>(j)];
      if (r.end == 0) r.first = i;
      r.end = i + 1;
    }
  }
  Taps result;
  result.size = taps.outputs();
  for (std::int64_t j = 0; j < taps.size; ++j) {
    const Reach& r = reach[static_cast<std::size_t>(j)];
    std::vector<double> weights;
    for (std::int64_t i = r.first; i < r.end; ++i) {
      const Taps::Run& run = taps.runs[static_cast<std::size_t>(i)];
      const bool reached = j >= run.first && j < run.first + run.count;
      weights.push_back(reached ? taps.weights[static_cast<std::size_t>(run.offset + j - run.first)] : 0.0);
    }
    result.add(r.first, weights);
  }
  return result;
}

}  // namespace coppice::cpu
