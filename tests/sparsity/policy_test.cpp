#include <coppice/sparsity/policy.h>

#include <gtest/gtest.h>

#include <cmath>
#include <set>

#include <coppice/core/error.h>
#include <coppice/sparsity/cycle.h>

#include "tests/error_of.h"

namespace coppice::sparsity {
namespace {

TEST(Policy, EveryFieldOfEveryPresetSurvivesItsText) {
  for (const std::string& name : preset_names()) {
    const MaskPolicy original = preset(name);
    EXPECT_EQ(original.name, name);
    original.validate();
    MaskPolicy copy;
    for (const auto& [key, value] : original.to_pairs()) copy.set(key, value);
    EXPECT_EQ(copy.to_pairs(), original.to_pairs());
  }
}

TEST(Policy, EveryFieldCanBeSetByItsKey) {
  // For each key a value that differs from the default: setting it changes that pair and no other.
  const std::vector<std::pair<std::string, std::string>> changes{{"name", "mine"},
                                                                 {"density", "0.02"},
                                                                 {"distribution", "er"},
                                                                 {"dense_first", "true"},
                                                                 {"dense_last", "true"},
                                                                 {"pattern", "8x1"},
                                                                 {"interval", "7"},
                                                                 {"accuracy_steps", "8"},
                                                                 {"exploration_steps", "9"},
                                                                 {"skip_step_on_update", "true"},
                                                                 {"fraction.decay", "exponential"},
                                                                 {"fraction.initial", "0.5"},
                                                                 {"fraction.end", "0.5"},
                                                                 {"fraction.rate", "2.5"},
                                                                 {"fraction.minimum", "0.005"},
                                                                 {"rounding", "ceil"},
                                                                 {"ranking", "global"},
                                                                 {"tie_break", "random"},
                                                                 {"drop", "random"},
                                                                 {"grow", "dense_gradient"},
                                                                 {"regrow_just_dropped", "false"},
                                                                 {"regrown_keeps_state", "false"},
                                                                 {"grown_value", "zero"},
                                                                 {"newborn_state", "keep"},
                                                                 {"start", "last_active"},
                                                                 {"freeze_alive", "false"},
                                                                 {"freeze_others", "false"},
                                                                 {"decay_woken", "false"},
                                                                 {"norm", "running_hold"}};
  const auto defaults = MaskPolicy().to_pairs();
  ASSERT_EQ(changes.size(), defaults.size());
  for (std::size_t i = 0; i < changes.size(); ++i) {
    MaskPolicy policy;
    policy.set(changes[i].first, changes[i].second);
    auto expected = defaults;
    EXPECT_NE(expected[i], changes[i]);
    expected[i] = changes[i];
    EXPECT_EQ(policy.to_pairs(), expected) << changes[i].first;
  }
}

TEST(Policy, SuggestsTheNearestKeyAndValue) {
  MaskPolicy policy;
  const auto contains = [](const std::string& text, const char* part) { return text.find(part) != std::string::npos; };
  EXPECT_TRUE(contains(error_of([&] { policy.set("exploration_step", "3"); }), "did you mean 'exploration_steps'"));
  EXPECT_TRUE(contains(error_of([&] { policy.set("start", "last-active"); }), "did you mean 'last_active'"));
  EXPECT_TRUE(contains(error_of([&] { policy.set("grow", "gradient"); }), "did you mean 'dense_gradient'"));
  EXPECT_TRUE(contains(error_of([&] { policy.set("interval", "ten"); }), "an integer"));
  for (const char* text : {"", "block", "8x", "x8", "4:2", "0:4", "0x1", "8x1 ", "-1x1", "channels", "2:4:8"}) {
    EXPECT_TRUE(contains(error_of([&] { policy.set("pattern", text); }), "N:M as `2:4`")) << text;
  }
  EXPECT_TRUE(contains(error_of([&] { policy.set("density", "0.1x"); }), "a number"));
  EXPECT_TRUE(contains(error_of([&] { preset("rigel"); }), "did you mean 'rigl'"));
  expect_error([&] { policy.set("density", "1.5"); }, "[policy] density expects a number in [0, 1]; got '1.5'");
  policy.density = 1.5;
  EXPECT_TRUE(contains(error_of([&] { policy.validate(); }), "density"));
}

TEST(Policy, SchedulesFollowTheirFormulas) {
  const FractionSchedule cosine{.decay = Decay::Cosine, .initial = 0.3, .end = 0.75};
  EXPECT_DOUBLE_EQ(cosine.at(0, 1000), 0.3);
  EXPECT_NEAR(cosine.at(375, 1000), 0.15, 1e-15);
  EXPECT_NEAR(cosine.at(750, 1000), 0.0, 1e-15);
  EXPECT_EQ(cosine.last_step(1000), 750);
  const FractionSchedule exponential{.decay = Decay::Exponential, .initial = 0.3, .end = 0.5, .rate = 4.0};
  EXPECT_NEAR(exponential.at(250, 1000), 0.3 * std::exp(-2.0), 1e-15);
  const FractionSchedule constant{.decay = Decay::Constant, .initial = 0.2, .end = 1.0};
  EXPECT_EQ(constant.at(999, 1000), 0.2);
  const FractionSchedule floored{.decay = Decay::Cosine, .initial = 0.5, .end = 1.0, .minimum = 0.005};
  EXPECT_EQ(floored.at(1000, 1000), 0.005);
}

std::string phases(const MaskPolicy& policy, std::int64_t total) {
  std::string text;
  for (std::int64_t step = 0; step < total; ++step) {
    const CycleStep kind = cycle_step(policy, step, total);
    text += name_of(kind.phase)[0];
    if (kind.wake) text += 'w';
    if (kind.drop) text += 'd';
    if (kind.grow) text += 'g';
    if (kind.dense_gradient) text += '!';
    EXPECT_EQ(kind.optimizer_step, kind.phase != Phase::Update);
  }
  return text;
}

TEST(Policy, CyclesLieWhereTheDiagramSays) {
  MaskPolicy explore = iee();
  explore.interval = 3;
  explore.accuracy_steps = 2;
  explore.exploration_steps = 2;
  EXPECT_EQ(phases(explore, 20), "iiidaaewegiiidaaewegffffff") << "two cycles end by 0.75 · 20";
  explore.accuracy_steps = 0;
  explore.fraction.end = 0.5;
  EXPECT_EQ(phases(explore, 10), "iiidewegfffff");
  explore.exploration_steps = 0;
  EXPECT_EQ(phases(explore, 10), "iiidgiiidgffff") << "without J and Q drop and grow are one";

  MaskPolicy gradient = rigl();
  gradient.interval = 2;
  EXPECT_EQ(phases(gradient, 8), "iiudg!iiudg!ff") << "an update iteration follows two steps";
  gradient.skip_step_on_update = false;
  EXPECT_EQ(phases(gradient, 8), "iidg!iidg!iidg!ff");
  EXPECT_EQ(phases(static_mask(), 4), "ffff");
  EXPECT_EQ(phases(iee_no_exploration(), 4), "ffff") << "no cycle fits";
}

}  // namespace
}  // namespace coppice::sparsity
