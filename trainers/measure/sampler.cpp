#include <coppice/trainers/measure/sampler.h>

#include <algorithm>

#include <coppice/core/generator.h>
#include <coppice/trainers/measure/samples.h>

namespace coppice::train::measure {

std::vector<std::vector<Sample>> sample_in_turn(const std::vector<Timed>& things, const SamplingOptions& options) {
  std::vector<int> calls;
  for (const Timed& thing : things) {
    thing.run(1);
    const double once = std::max(thing.run(1).wall, 1e-9);
    calls.push_back(static_cast<int>(std::clamp(options.sample_seconds / once, 1.0, 1e6)));
  }
  Generator generator(options.seed);
  std::vector<std::vector<Sample>> samples(things.size());
  const double start = wall_seconds();
  for (int round = 0; round < options.rounds; ++round) {
    if (round >= kFewestSamples && wall_seconds() - start > options.longest_seconds) break;
    for (const std::int64_t i : generator.permutation(static_cast<std::int64_t>(things.size()))) {
      const auto at = static_cast<std::size_t>(i);
      samples[at].push_back(things[at].run(calls[at]));
    }
  }
  return samples;
}

}  // namespace coppice::train::measure
