#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/measure/clock.h>

namespace coppice::train::measure {

/// One of the things that are timed in turn.
struct Timed {
  std::string name{};
  /// Runs that many calls and says what one took.
  std::function<Sample(int calls)> run{};
};

struct SamplingOptions {
  int rounds = 9;                 ///< every one of the things is sampled once a round
  double sample_seconds = 0.01;   ///< calls are repeated until a sample lasts about so long
  double longest_seconds = 1e30;  ///< sampling ends after so long, but not before kFewestSamples rounds
  std::uint64_t seed = 1;         ///< of the order, which is another one in every round
};

/// Samples of things timed in turn, [thing][round]: what drifts on a machine drifts for all of them. Each is called
/// once before, to warm up and to see how long it takes.
COPPICE_API std::vector<std::vector<Sample>> sample_in_turn(const std::vector<Timed>& things,
                                                            const SamplingOptions& options = {});

}  // namespace coppice::train::measure
