#include <gtest/gtest.h>

#include <coppice/trainers/results.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

train::Results small_results() {
  train::Results results;
  results.paper = "reactivation";
  results.methods = {{"iee", "wakes"}};
  train::RunResult& run = results.runs.emplace_back();
  run.method = "iee";
  run.policy = {{"interval", "100"}};
  run.records.push_back({.step = 3, .loss = 0.5, .validation = train::Evaluation{.accuracy = 0.5, .count = 4}});
  run.updates.push_back({.step = 2});
  run.layers.push_back({.name = "fc1", .weights = 10, .alive_at_start = 2, .alive = 2});
  results.orderings.push_back({.statement = "iee >= rigl", .pairs = 1});
  return results;
}

TEST(Mutations, Results) {
  const std::string seed = to_json(small_results());
  run({.format = "results",
       .target = results,
       .make =
           [&](Generator& generator) {
             static const std::vector<std::string> kWords = {"null", "true", "[]", "{}", "\"runs\":", "1e999", "[[[["};
             Mutator mutator(generator);
             std::string text = seed;
             for (std::uint64_t changes = mutator.below(3); changes > 0; --changes) mutator.change_text(text, kWords);
             if (mutator.chance(0.1)) mutator.change_bytes(text);
             return text;
           },
       .fixed_bytes = 64 << 10,
       .per_byte = 200,
       .kinds_of_error = 15,
       .cases = 20'000});
}

}  // namespace
}  // namespace coppice::fuzz
