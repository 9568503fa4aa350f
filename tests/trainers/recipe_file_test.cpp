#include <gtest/gtest.h>

#include <algorithm>
#include <iterator>

#include <coppice/core/generator.h>
#include <coppice/sparsity/field.h>
#include <coppice/trainers/recipe/document.h>
#include <coppice/trainers/recipe/fields.h>
#include <coppice/trainers/recipe/recipe.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

constexpr const char* kMine = R"(# a recipe
name = "mine"

[training]
learning_rate = 0.05
steps = 300

[policy]
interval = 7
fraction.initial = 0.5
preset = "rigl"
density = 0.02

[sweep]
policy.interval = [50, 100]
"training.optimizer" = ["sgd", "adamw"]
)";

std::string parse_error(const std::string& text) {
  return error_of([&] { parse_recipe(text, "mine.toml"); });
}

TEST(RecipeFile, SetsWhatItNames) {
  const Recipe recipe = parse_recipe(kMine, "mine.toml");
  EXPECT_EQ(recipe.name, "mine");
  EXPECT_EQ(recipe.training.learning_rate, 0.05);
  EXPECT_EQ(recipe.training.steps, 300);
  EXPECT_EQ(recipe.training.epochs, 0);
  EXPECT_TRUE(recipe.sparse);
  EXPECT_EQ(recipe.preset, "rigl");
  EXPECT_EQ(recipe.policy.interval, 7) << "the preset comes first wherever it stands";
  EXPECT_EQ(recipe.policy.fraction.initial, 0.5);
  EXPECT_EQ(recipe.policy.grow.name, "dense_gradient");
  EXPECT_EQ(recipe.training.batch_size, TrainingOptions{}.batch_size);
  const std::vector<SweepAxis> sweep = {{"policy.interval", {"50", "100"}}, {"training.optimizer", {"sgd", "adamw"}}};
  EXPECT_EQ(recipe.sweep, sweep) << "in the order of the file";
  EXPECT_EQ(expand(recipe)[1].name, "mine[interval=50,optimizer=adamw]");
  EXPECT_FALSE(parse_recipe("", "empty").sparse);
  EXPECT_TRUE(parse_recipe("[policy]", "empty").sparse);
  EXPECT_FALSE(parse_recipe("sparse = false\n[policy]\ndensity = 0.5", "off").sparse);
}

TEST(RecipeFile, NamesThePlaceOfAMistake) {
  EXPECT_EQ(parse_error("\n\n[policy]\n\n\n\nintervall = 5\n"),
            "[recipe] mine.toml:7:1: unknown key 'policy.intervall'; did you mean 'policy.interval'?");
  EXPECT_EQ(parse_error("[polcy]\n"), "[recipe] mine.toml:1:2: unknown key 'polcy'; did you mean 'policy'?");
  EXPECT_EQ(parse_error("[[policy]]\ninterval = 5\n"),
            "[recipe] mine.toml:2:1: unknown key 'policy[0].interval'; did you mean 'policy.interval'?");
  EXPECT_EQ(parse_error("policy = 3\n"), "[recipe] mine.toml:1:1: policy expects a table of keys; got '3'");
  EXPECT_EQ(parse_error("[training]\nsteps = 10\nbatch_size =   \"many\"\n"),
            "[recipe] mine.toml:3:16: training.batch_size expects an integer of 1 or more; got the text 'many'");
  EXPECT_EQ(parse_error("[training]\nbatch_size = \"64\"\n"),
            "[recipe] mine.toml:2:14: training.batch_size expects an integer of 1 or more; got the text '64'");
  EXPECT_EQ(parse_error("[training]\nsteps = 1e3\n"),
            "[recipe] mine.toml:2:9: training.steps expects an integer of 0 or more; got '1000.0'");
  EXPECT_EQ(parse_error("[training]\nsteps = -1\n"),
            "[recipe] mine.toml:2:9: training.steps expects an integer of 0 or more; got '-1'");
  EXPECT_EQ(parse_error("[training]\nnesterov = 1\n"),
            "[recipe] mine.toml:2:12: training.nesterov expects true or false; got '1'");
  EXPECT_EQ(parse_error("name = 1979-05-27\n"), "[recipe] mine.toml:1:8: name expects a text; got a date or time");
  EXPECT_EQ(parse_error("model.widths = 784\n"),
            "[recipe] mine.toml:1:16: model.widths expects a list of integers, each of 1 or more; got '784'");
  EXPECT_EQ(parse_error("model.widths = [784,\n  0, 10]\n"),
            "[recipe] mine.toml:1:16: model.widths expects a list of integers, each of 1 or more; got '784,0,10'");
  EXPECT_EQ(parse_error("model.widths = [784,\n  0.5, 10]\n"),
            "[recipe] mine.toml:2:3: model.widths expects a list of integers, each of 1 or more; got '0.5'");
  EXPECT_EQ(parse_error("policy.rounding = \"flor\"\n"),
            "[recipe] mine.toml:1:19: policy.rounding expects one of floor, ceil, nearest; got 'flor'; did you mean "
            "'floor'?");
  EXPECT_EQ(parse_error("training.learning_rate = inf\n"),
            "[recipe] mine.toml:1:26: training.learning_rate expects a number of 0 or more; got 'inf'");
  EXPECT_EQ(parse_error("[training]\nsteps = 5\nepochs = 2\n"),
            "[recipe] mine.toml:3:1: training expects steps or epochs, not both");
}

TEST(RecipeFile, NamesThePlaceOfAMistakeInASweep) {
  EXPECT_EQ(parse_error("[sweep]\npolicy.intervall = [5]\n"),
            "[recipe] mine.toml:2:8: sweep: unknown key 'policy.intervall'; did you mean 'policy.interval'?");
  EXPECT_EQ(parse_error("[sweep]\npolicy.interval = 5\n"),
            "[recipe] mine.toml:2:19: sweep.policy.interval expects a list of values; got '5'");
  EXPECT_EQ(parse_error("[sweep]\npolicy.interval = []\n"),
            "[recipe] mine.toml:2:19: sweep.policy.interval expects a list of values; got an empty one");
  EXPECT_EQ(parse_error("[sweep]\npolicy.interval = [5,\n-1]\n"),
            "[recipe] mine.toml:3:1: policy.interval expects an integer of 0 or more; got '-1'");
  EXPECT_EQ(parse_error("[sweep]\npolicy.interval = [5]\n\"policy.interval\" = [6]\n"),
            "[recipe] mine.toml:3:1: sweep.policy.interval is given twice");
  EXPECT_EQ(parse_error("[policy]\naccuracy_steps = 5\n[sweep]\npolicy.interval = [5, 0]\n"),
            "[recipe] mine.toml: [policy] accuracy_steps and exploration_steps expect cycles; got interval 0; set "
            "interval");
}

TEST(RecipeFile, RefusesWhatIsNoTomlOrTooLarge) {
  EXPECT_EQ(parse_error("name = \"mine\"\n[training\n").find("[recipe] mine.toml:2:10: is no TOML: "), 0U)
      << parse_error("name = \"mine\"\n[training\n");
  EXPECT_EQ(parse_error("name = 1\nname = 2\n").find("[recipe] mine.toml:2:"), 0U);
  EXPECT_EQ(parse_error(std::string(300000, '#')), "[recipe] mine.toml: expects at most 262144 bytes; got more");
  std::string deep = "a";
  for (int i = 0; i < 2000; ++i) deep += ".a";
  EXPECT_EQ(parse_error(deep + " = 1"), "[recipe] mine.toml:1:33: expects tables nested at most 16 deep");
  EXPECT_EQ(parse_error(deep + deep + " = 1"), "[recipe] mine.toml: expects at most 2048 dots; got more");
  EXPECT_EQ(parse_error("name = " + std::string(200, '[') + std::string(200, ']')),
            "[recipe] mine.toml:1:24: expects lists nested at most 16 deep");
  std::string long_list = "model.widths = [1";
  for (int i = 0; i < 1000; ++i) long_list += ",1";
  EXPECT_EQ(parse_error(long_list + ']'), "[recipe] mine.toml:1:16: expects lists of at most 1000 items");
  const std::string long_name = parse_error("[policy]\n" + std::string(5000, 'x') + " = 1\n");
  EXPECT_LT(long_name.size(), 250U) << "a message shows the beginning of a text only";
  EXPECT_EQ(parse_error("\"a\\u001b[2J\" = 1\n").find('\x1b'), std::string::npos) << "and no control characters";
  const TemporaryFolder folder;
  EXPECT_EQ(error_of([&] { read_recipe(folder / "none.toml"); }),
            "[recipe] " + (folder / "none.toml").string() +
                ": expects a file that can be read; got No such file or directory");
  EXPECT_NE(error_of([&] { read_recipe(folder.path()); }), "");
}

/// Another value for a field, of the kind it takes.
std::string random_value(const sparsity::detail::Field& field, Generator& random) {
  using sparsity::detail::FieldKind;
  const auto below = [&](std::size_t count) { return static_cast<std::size_t>(random.next_u64() % count); };
  if (field.key == "policy.pattern") {
    return std::to_string(1 + below(9)) + (below(2) == 0 ? "x" : ":1") + std::to_string(1 + below(9));
  }
  switch (field.kind) {
    case FieldKind::Boolean: return below(2) == 0 ? "true" : "false";
    case FieldKind::Integer: return std::to_string(1 + below(1000000));
    case FieldKind::Number: return std::to_string(static_cast<double>(below(1000001)) / 1000000.0);
    case FieldKind::Word: return field.words[below(field.words.size())];
    case FieldKind::Integers: return std::to_string(1 + below(1000)) + ',' + std::to_string(1 + below(1000));
    default: {
      std::string text;
      const char* parts[] = {"a", "\"", "\\", "\n", "\t", "\x01", "é", ".", "=", "[", "#", "'", " "};
      for (std::size_t i = below(12); i > 0; --i) text += parts[below(std::size(parts))];
      return text;
    }
  }
}

TEST(RecipeFile, ReadsBackWhatItWrites) {
  Generator random(7);
  for (int round = 0; round < 200; ++round) {
    Recipe recipe;
    for (const auto& field : detail::fields_of(recipe)) field.set(random_value(field, random));
    recipe.policy.interval = std::max<std::int64_t>(recipe.policy.interval, 1);
    recipe.sweep = {{"policy.start", {"zero", "initial"}}, {"model.widths", {"3,4", "5,6,7"}}};
    const std::string text = to_toml(recipe);
    const Recipe again = parse_recipe(text, "again.toml");
    EXPECT_EQ(to_pairs(again), to_pairs(recipe)) << text;
    EXPECT_EQ(again.sweep, recipe.sweep);
    EXPECT_EQ(to_toml(again), text);
    if (HasFailure()) break;
  }
}

TEST(RecipeFile, IsWrittenWithEveryKey) {
  const TemporaryFolder folder;
  const Recipe recipe = parse_recipe(kMine, "mine.toml");
  write_recipe(folder / "recipe.resolved.toml", recipe);
  const std::string text = read_bytes(folder / "recipe.resolved.toml");
  EXPECT_EQ(text.find("# coppice "), 0U);
  const detail::Document document = detail::parse_document(text, "resolved");
  for (const RecipeKey& key : recipe_keys()) {
    EXPECT_TRUE(std::any_of(document.settings.begin(), document.settings.end(), [&](const detail::Setting& setting) {
      return setting.key == key.key;
    })) << key.key;
  }
  EXPECT_EQ(to_pairs(read_recipe(folder / "recipe.resolved.toml")), to_pairs(recipe));
}

}  // namespace
}  // namespace coppice::train
