#include <coppice/sparsity/policy.h>

#include <array>
#include <cmath>

#include <coppice/core/error.h>
#include <coppice/sparsity/nearest.h>
#include <coppice/sparsity/policy_fields.h>

namespace coppice::sparsity {

namespace {

// The words of each enumeration, in the order of its values.
constexpr std::array<std::string_view, 3> words(Distribution) { return {"uniform", "er", "erk"}; }
constexpr std::array<std::string_view, 3> words(Decay) { return {"constant", "cosine", "exponential"}; }
constexpr std::array<std::string_view, 3> words(Rounding) { return {"floor", "ceil", "nearest"}; }
constexpr std::array<std::string_view, 2> words(Ranking) { return {"layer", "global"}; }
constexpr std::array<std::string_view, 2> words(TieBreak) { return {"index", "random"}; }
constexpr std::array<std::string_view, 2> words(GrownValue) { return {"explored", "zero"}; }
constexpr std::array<std::string_view, 2> words(NewbornState) { return {"zero", "keep"}; }
constexpr std::array<std::string_view, 4> words(Start) { return {"zero", "last_active", "dormant", "initial"}; }
constexpr std::array<std::string_view, 3> words(ExplorationNorm) {
  return {"batch_hold", "batch_update", "running_hold"};
}

}  // namespace

detail::Fields detail::fields_of(MaskPolicy& policy) {
  constexpr Bounds steps{.least = 0.0};
  FractionSchedule& fraction = policy.fraction;
  return {
      field("name", policy.name, "what results call it"),
      field("density", policy.density, "share of all prunable weights that is kept", kShare),
      field("distribution", policy.distribution, words(policy.distribution), "how the density is spread over layers"),
      field("dense_first", policy.dense_first, "the first prunable layer stays dense"),
      field("dense_last", policy.dense_last, "the last prunable layer stays dense"),
      field("pattern", policy.pattern, "what masks consist of: weights, blocks, or N of every M"),
      field("interval", policy.interval, "H: steps before each drop; 0: the mask never changes", steps),
      field("accuracy_steps", policy.accuracy_steps, "J: steps between drop and wake", steps),
      field("exploration_steps", policy.exploration_steps, "Q: steps with everything awake", steps),
      field("skip_step_on_update", policy.skip_step_on_update, "an update takes an iteration without optimiser step"),
      field("fraction.decay", fraction.decay, words(fraction.decay), "how the share of alive weights exchanged falls"),
      field("fraction.initial", fraction.initial, "that share at the start", kShare),
      field("fraction.end", fraction.end, "share of the training after which nothing is exchanged", kShare),
      field("fraction.rate", fraction.rate, "of the exponential decay", {.least = 0.0}),
      field("fraction.minimum", fraction.minimum, "the share exchanged is never below", kShare),
      field("rounding", policy.rounding, words(policy.rounding), "of the number exchanged"),
      field("ranking", policy.ranking, words(policy.ranking),
            "whether each layer keeps its count, or only the network"),
      field("tie_break", policy.tie_break, words(policy.tie_break), "between equal scores"),
      field("drop", policy.drop, "criterion: the lowest are dropped"),
      field("grow", policy.grow, "criterion: the highest are grown"),
      field("regrow_just_dropped", policy.regrow_just_dropped, "what this cycle dropped may be grown again"),
      field("regrown_keeps_state", policy.regrown_keeps_state, "dropped and grown at once: as if never dropped"),
      field("grown_value", policy.grown_value, words(policy.grown_value), "value of the grown"),
      field("newborn_state", policy.newborn_state, words(policy.newborn_state), "optimiser state of the grown"),
      field("start", policy.start, words(policy.start), "value of the woken"),
      field("freeze_alive", policy.freeze_alive, "exploration trains the woken only"),
      field("freeze_others", policy.freeze_others, "exploration leaves biases, norms and the rest alone"),
      field("decay_woken", policy.decay_woken, "weight decay acts during exploration"),
      field("norm", policy.norm, words(policy.norm), "what batch norms do during exploration"),
  };
}

std::vector<std::pair<std::string, std::string>> MaskPolicy::to_pairs() const {
  MaskPolicy copy = *this;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const detail::Field& field : detail::fields_of(copy)) pairs.emplace_back(field.key, field.get());
  return pairs;
}

void MaskPolicy::set(std::string_view key, std::string_view value) {
  const detail::Fields fields = detail::fields_of(*this);
  const detail::Field* field = detail::find(fields, key);
  COPPICE_CHECK(field, "[policy] ", detail::unknown_key(fields, key));
  try {
    field->set(value);
  } catch (const Error& error) {
    coppice::detail::fail("[policy] ", error.what());
  }
}

void MaskPolicy::validate() const {
  const auto share = [](double value) { return value >= 0.0 && value <= 1.0; };
  COPPICE_CHECK(share(density), "[policy] density expects a share of the weights in [0, 1]; got ", density);
  COPPICE_CHECK(interval >= 0 && accuracy_steps >= 0 && exploration_steps >= 0,
                "[policy] interval, accuracy_steps and exploration_steps expect 0 or more; got ", interval, ", ",
                accuracy_steps, ", ", exploration_steps);
  COPPICE_CHECK(share(fraction.initial) && share(fraction.minimum) && share(fraction.end),
                "[policy] fraction.initial, fraction.minimum and fraction.end expect shares in [0, 1]; got ",
                fraction.initial, ", ", fraction.minimum, ", ", fraction.end);
  COPPICE_CHECK(std::isfinite(fraction.rate) && fraction.rate >= 0.0,
                "[policy] fraction.rate expects a number of 0 or more; got ", fraction.rate);
  COPPICE_CHECK(interval > 0 || accuracy_steps + exploration_steps == 0,
                "[policy] accuracy_steps and exploration_steps expect cycles; got interval 0; set interval");
  COPPICE_CHECK(drop.score && grow.score, "[policy] drop and grow expect criteria that score; got '", drop.name,
                "' and '", grow.name, "'");
}

MaskPolicy dense() { return {.name = "dense", .density = 1.0}; }

MaskPolicy static_mask() { return {.name = "static"}; }

MaskPolicy set() {
  MaskPolicy policy = rigl();
  policy.name = "set";
  policy.grow = criterion::random();
  return policy;
}

MaskPolicy rigl() {
  return {
      .name = "rigl",
      .interval = 100,
      .skip_step_on_update = true,
      .fraction = {.decay = Decay::Cosine, .initial = 0.3, .end = 0.75},
      .rounding = Rounding::Floor,
      .drop = criterion::magnitude(),
      .grow = criterion::dense_gradient(),
      .regrow_just_dropped = true,
      .regrown_keeps_state = true,
      .grown_value = GrownValue::Zero,
      .newborn_state = NewbornState::Zero,
  };
}

MaskPolicy rigl_itop() {
  MaskPolicy policy = rigl();
  policy.name = "rigl_itop";
  policy.interval = 4000;
  policy.fraction.initial = 0.5;
  policy.fraction.minimum = 0.005;
  policy.skip_step_on_update = false;
  return policy;
}

MaskPolicy iee() {
  return {
      .name = "iee",
      .interval = 150,
      .accuracy_steps = 150,
      .exploration_steps = 150,
      .fraction = {.decay = Decay::Cosine, .initial = 0.3, .end = 0.75},
      .rounding = Rounding::Floor,
      .ranking = Ranking::Layer,
      .drop = criterion::magnitude(),
      .grow = criterion::magnitude(),
      .regrow_just_dropped = true,
      .grown_value = GrownValue::Explored,
      .newborn_state = NewbornState::Zero,
      .start = Start::Zero,
      .freeze_alive = true,
      .freeze_others = true,
      .norm = ExplorationNorm::BatchHold,
  };
}

MaskPolicy iee_no_exploration() {
  MaskPolicy policy = iee();
  policy.name = "iee_no_exploration";
  policy.exploration_steps = 0;
  policy.start = Start::Dormant;
  return policy;
}

namespace {

constexpr std::array kPresets{dense, static_mask, set, rigl, rigl_itop, iee, iee_no_exploration};

}  // namespace

std::vector<std::string> preset_names() {
  std::vector<std::string> names;
  for (MaskPolicy (*make)() : kPresets) names.push_back(make().name);
  return names;
}

MaskPolicy preset(std::string_view name) {
  const std::vector<std::string> names = preset_names();
  const std::vector<std::string_view> known(names.begin(), names.end());
  for (std::size_t i = 0; i < names.size(); ++i) {
    if (names[i] == name) return kPresets[i]();
  }
  coppice::detail::fail("[policy] has no preset '", name, "'; did you mean '", detail::nearest(name, known),
                        "'? The presets are ", detail::join(known));
}

}  // namespace coppice::sparsity
