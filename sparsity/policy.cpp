#include <coppice/sparsity/policy.h>

#include <array>
#include <charconv>
#include <cmath>
#include <type_traits>

#include <coppice/core/error.h>
#include <coppice/sparsity/nearest.h>

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

/// Calls visit(key, field) for every field, in order.
template <class Policy, class Visit>
void for_each_field(Policy& policy, Visit&& visit) {
  visit("name", policy.name);
  visit("density", policy.density);
  visit("distribution", policy.distribution);
  visit("dense_first", policy.dense_first);
  visit("dense_last", policy.dense_last);
  visit("interval", policy.interval);
  visit("accuracy_steps", policy.accuracy_steps);
  visit("exploration_steps", policy.exploration_steps);
  visit("skip_step_on_update", policy.skip_step_on_update);
  visit("fraction.decay", policy.fraction.decay);
  visit("fraction.initial", policy.fraction.initial);
  visit("fraction.end", policy.fraction.end);
  visit("fraction.rate", policy.fraction.rate);
  visit("fraction.minimum", policy.fraction.minimum);
  visit("rounding", policy.rounding);
  visit("ranking", policy.ranking);
  visit("tie_break", policy.tie_break);
  visit("drop", policy.drop);
  visit("grow", policy.grow);
  visit("regrow_just_dropped", policy.regrow_just_dropped);
  visit("regrown_keeps_state", policy.regrown_keeps_state);
  visit("grown_value", policy.grown_value);
  visit("newborn_state", policy.newborn_state);
  visit("start", policy.start);
  visit("freeze_alive", policy.freeze_alive);
  visit("freeze_others", policy.freeze_others);
  visit("decay_woken", policy.decay_woken);
  visit("norm", policy.norm);
}

template <class T>
std::string to_text(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return value;
  } else if constexpr (std::is_same_v<T, Criterion>) {
    return value.name;
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else if constexpr (std::is_enum_v<T>) {
    return std::string(words(T{})[static_cast<std::size_t>(value)]);
  } else {
    std::array<char, 40> text{};
    const auto end = std::to_chars(text.data(), text.data() + text.size(), value).ptr;
    return {text.data(), end};
  }
}

[[noreturn]] void fail_value(std::string_view key, std::string_view expected, std::string_view value) {
  coppice::detail::fail("[policy] ", key, " expects ", expected, "; got '", value, "'");
}

template <class T>
void from_text(std::string_view key, std::string_view text, T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    value = text;
  } else if constexpr (std::is_same_v<T, Criterion>) {
    value = criterion::named(text);
  } else if constexpr (std::is_same_v<T, bool>) {
    if (text != "true" && text != "false") fail_value(key, "true or false", text);
    value = text == "true";
  } else if constexpr (std::is_enum_v<T>) {
    constexpr auto known = words(T{});
    const std::vector<std::string_view> names(known.begin(), known.end());
    for (std::size_t i = 0; i < names.size(); ++i) {
      if (names[i] == text) {
        value = static_cast<T>(i);
        return;
      }
    }
    coppice::detail::fail("[policy] ", key, " expects one of ", detail::join(names), "; got '", text,
                          "'; did you mean '", detail::nearest(text, names), "'?");
  } else {
    T parsed{};
    const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), parsed);
    if (error != std::errc() || end != text.data() + text.size()) {
      fail_value(key, std::is_integral_v<T> ? "an integer" : "a number", text);
    }
    value = parsed;
  }
}

}  // namespace

std::vector<std::pair<std::string, std::string>> MaskPolicy::to_pairs() const {
  std::vector<std::pair<std::string, std::string>> pairs;
  for_each_field(*this, [&](std::string_view key, const auto& field) { pairs.emplace_back(key, to_text(field)); });
  return pairs;
}

void MaskPolicy::set(std::string_view key, std::string_view value) {
  bool found = false;
  std::vector<std::string_view> keys;
  for_each_field(*this, [&](std::string_view known, auto& field) {
    keys.push_back(known);
    if (known != key) return;
    from_text(key, value, field);
    found = true;
  });
  COPPICE_CHECK(found, "[policy] has no field '", key, "'; did you mean '", detail::nearest(key, keys),
                "'? The fields are ", detail::join(keys));
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
