#include <coppice/sparsity/criterion.h>

#include <array>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/sparsity/nearest.h>

namespace coppice::sparsity::criterion {

namespace {

Tensor magnitude_scores(const ScoreInput& input) {
  const WeightState& state = input.state;
  Tensor scores = WeightState::remap(state.values(), state.stored(), input.candidates);
  // A woken weight may keep a dormant value to go back to; the one it has been explored to counts.
  if (state.dormant().defined() && state.dormant().count() > 0) {
    const Mask asleep = (input.candidates & state.dormant()) - state.alive();
    const Tensor kept = WeightState::remap(state.dormant_values(), state.dormant(), asleep);
    coppice::detail::add_into(scores, WeightState::remap(kept, asleep, input.candidates), 1.0);
  }
  return scores;
}

Tensor random_scores(const ScoreInput& input) {
  Generator generator = Generator::keyed(input.seed, input.name + "/random", static_cast<std::uint64_t>(input.update));
  // 24 bits: the few candidates that tie with the last one taken go by position.
  return Tensor::rand({input.candidates.count()}, generator);
}

}  // namespace

Criterion magnitude() { return {.name = "magnitude", .score = magnitude_scores, .absolute = true}; }

Criterion dense_gradient() {
  return {.name = "dense_gradient",
          .needs_dense_gradient = true,
          .score =
              [](const ScoreInput& input) {
                COPPICE_CHECK(input.gradient.defined() && input.gradient.shape() == input.state.shape(),
                              "[criterion] dense_gradient expects a dense gradient of ", input.name,
                              "; its backward has not run, or ran before begin_step");
                return input.gradient;
              },
          .absolute = true};
}

Criterion random() { return {.name = "random", .score = random_scores, .additive = false}; }

namespace {

constexpr std::array kKnown{magnitude, dense_gradient, random};

}  // namespace

std::vector<std::string> names() {
  std::vector<std::string> all;
  for (Criterion (*make)() : kKnown) all.push_back(make().name);
  return all;
}

Criterion named(std::string_view name) {
  for (Criterion (*make)() : kKnown) {
    if (Criterion criterion = make(); criterion.name == name) return criterion;
  }
  const std::vector<std::string> all = names();
  const std::vector<std::string_view> known(all.begin(), all.end());
  coppice::detail::fail("[criterion] expects one of ", detail::join(known), "; got '", name, "'; did you mean '",
                        detail::nearest(name, known), "'?");
}

}  // namespace coppice::sparsity::criterion
