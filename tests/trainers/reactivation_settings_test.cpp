#include <coppice/trainers/reactivation/settings.h>

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train::reactivation {
namespace {

constexpr const char* kMine = R"(name = "mine"
preset = "rigl"
explanation = "RigL that grows at random"

[policy]
grow = "random"
fraction.initial = 0.5
)";

/// Reads a recipe written to a file of that name, whose folder messages leave out.
template <class Read>
auto read_from(const char* name, const std::string& text, const Read& read) {
  const TemporaryFolder folder;
  write_bytes(folder / name, text);
  try {
    return read(folder / name);
  } catch (const Error& error) {
    std::string message = error.what();
    const std::string path = folder.path().string() + '/';
    if (const std::size_t at = message.find(path); at != std::string::npos) message.erase(at, path.size());
    throw Error(message);
  }
}

std::vector<Method> methods_from(const std::string& text) { return read_from("mine.toml", text, read_methods); }

Options options_from(const std::string& text) {
  return read_from("table.toml", text, [](const std::filesystem::path& file) {
    Options options;
    read_table(file, options);
    return options;
  });
}

std::string value_of(const sparsity::MaskPolicy& policy, const std::string& key) {
  for (const auto& [name, value] : policy.to_pairs()) {
    if (name == key) return value;
  }
  return "none";
}

TEST(AddedMethods, ChangeWhatTheyNameAndKeepTheScaledRest) {
  const std::vector<Method> rows = methods_from(kMine);
  ASSERT_EQ(rows.size(), 1U);
  EXPECT_EQ(rows[0].name, "mine");
  EXPECT_EQ(rows[0].explanation, "RigL that grows at random");
  sparsity::MaskPolicy expected = policy(method("rigl"), 0.05, 3000);
  expected.name = "mine";
  expected.grow = sparsity::criterion::random();
  expected.fraction.initial = 0.5;
  EXPECT_EQ(policy(rows[0], 0.05, 3000).to_pairs(), expected.to_pairs());
}

TEST(AddedMethods, MakeARowOfEveryVariant) {
  const std::vector<Method> rows =
      methods_from(std::string(kMine) + "[sweep]\npolicy.interval = [50, 100]\npreset = [\"set\", \"iee\"]\n");
  ASSERT_EQ(rows.size(), 4U);
  EXPECT_EQ(rows[0].name, "mine[interval=50,preset=set]");
  EXPECT_EQ(rows[1].name, "mine[interval=50,preset=iee]");
  EXPECT_EQ(rows[3].name, "mine[interval=100,preset=iee]");
  EXPECT_EQ(policy(rows[3], 0.05, 3000).interval, 100);
  EXPECT_EQ(policy(rows[3], 0.05, 3000).exploration_steps, 50);
  EXPECT_EQ(policy(rows[3], 0.05, 3000).grow.name, "random");
}

TEST(AddedMethods, AreRefusedWithTheirPlace) {
  const auto error = [](const std::string& text) { return error_of([&] { methods_from(text); }); };
  EXPECT_EQ(error("name = \"mine\"\n[policy]\nintervall = 5\n"),
            "[recipe] mine.toml:3:1: unknown key 'policy.intervall'; did you mean 'policy.interval'?");
  EXPECT_EQ(error("name = \"rigl\"\n"),
            "[recipe] mine.toml:1:8: the table has a row 'rigl' already; choose another name");
  EXPECT_EQ(error("name = \"my method\"\n"),
            "[recipe] mine.toml:1:8: name expects a word of letters, digits, '_' and '-' that is no table's; got 'my "
            "method'");
  EXPECT_EQ(error("name = \"policy\"\n").find("[recipe] mine.toml:1:8: name expects a word"), 0U);
  EXPECT_EQ(error("preset = \"rigl\"\n"), "[recipe] mine.toml: expects a name for the row; got none; add name = \"…\"");
  EXPECT_EQ(error("name = \"mine\"\npreset = \"rigle\"\n"),
            "[recipe] mine.toml:2:10: preset expects one of custom, dense, static, set, rigl, rigl_itop, iee, "
            "iee_no_exploration; got 'rigle'; did you mean 'rigl'?");
  EXPECT_EQ(error("name = \"mine\"\n[policy]\ndensity = 0.1\n"),
            "[recipe] mine.toml:3:11: policy.density follows from the sparsity of a row; set sparsities");
  EXPECT_EQ(error("name = \"mine\"\n[training]\nsteps = 1\n").find("[recipe] mine.toml:3:1: unknown key"), 0U);
  EXPECT_EQ(error("name = \"mine\"\n[sweep]\nname = [\"a\"]\n").find("[recipe] mine.toml:3:1: sweep: unknown key"), 0U);
  EXPECT_EQ(error("name = \"mine\"\n[policy]\naccuracy_steps = 5\n"),
            "[recipe] mine.toml: [policy] accuracy_steps and exploration_steps expect cycles; got interval 0; set "
            "interval");
}

TEST(Table, TakesEveryKeyFromAFile) {
  const Options options = options_from(R"(
training.learning_rate = 0.05
scale = "small"      # first, wherever it stands
seeds = 2
sparsities = [0.5, 0.9]
methods = ["rigl", "iee"]
[data]
path = "/data"
[iee]
freeze_alive = false
fraction.initial = 0.2
[policy]
rounding = "ceil"
[[add]]
name = "first"
[add.policy]
interval = 3
[[add]]
name = "second"
)");
  ASSERT_TRUE(options.training);
  EXPECT_EQ(options.training->dataset, "mnist");
  EXPECT_EQ(options.training->learning_rate, 0.05);
  EXPECT_EQ(options.training->batch_size, training("small").batch_size);
  EXPECT_EQ(options.training->seeds, 2);
  EXPECT_EQ(options.training->sparsities, (std::vector<double>{0.5, 0.9}));
  EXPECT_EQ(options.methods, (std::vector<std::string>{"rigl", "iee"}));
  EXPECT_EQ(options.data, "/data");
  ASSERT_EQ(options.added.size(), 2U);
  EXPECT_EQ(options.added[1].name, "second");
  const sparsity::MaskPolicy iee = row_policy(method("iee"), options, 0.1, 1000);
  EXPECT_FALSE(iee.freeze_alive);
  EXPECT_EQ(iee.fraction.initial, 0.2);
  EXPECT_EQ(value_of(iee, "rounding"), "ceil");
  const sparsity::MaskPolicy first = row_policy(options.added[0], options, 0.1, 1000);
  EXPECT_EQ(first.interval, 3);
  EXPECT_EQ(value_of(first, "rounding"), "ceil");
}

TEST(Table, NamesThePlaceOfAMistake) {
  const auto error = [](const std::string& text) { return error_of([&] { options_from(text); }); };
  EXPECT_EQ(error("[iee]\ninterwal = 3\n"),
            "[recipe] table.toml:2:1: unknown key 'iee.interwal'; did you mean 'iee.interval'?");
  EXPECT_EQ(error("[eei]\ninterval = 3\n"),
            "[recipe] table.toml:2:1: unknown key 'eei.interval'; did you mean 'set.interval'?");
  EXPECT_EQ(error("[training]\nbatch_size = 0\n"),
            "[recipe] table.toml:2:14: training.batch_size expects an integer of 1 or more; got '0'");
  EXPECT_EQ(error("[training]\nsteps = 5\nepochs = 1\n"),
            "[recipe] table.toml:3:1: training expects steps or epochs, not both");
  EXPECT_EQ(error("sparsities = [0.5, 1.0]\n"),
            "[recipe] table.toml:1:14: sparsities expects a list of numbers, each between 0 and 1; got '0.5,1'");
  EXPECT_EQ(error("methods = [\"rigle\"]\n"),
            "[recipe] table.toml:1:11: methods expects one of dense, small_dense, static, set, rigl, iee, "
            "iee_no_exploration, rigl_equal_flops, rigl_equal_seconds; got 'rigle'; did you mean 'rigl'?");
  EXPECT_EQ(error("[[add]]\n[add.policy]\ninterval = 3\n"),
            "[recipe] table.toml: expects a name for the row; got none; add name = \"…\"");
  EXPECT_EQ(error("[[add]]\nname = \"a\"\n[[add]]\nname = \"a\"\n"),
            "[recipe] table.toml: [reactivation] the table has a row 'a' already; give the added method another name");
  EXPECT_EQ(error("\"add[99999999999999999999].name\" = \"a\"\n[[add]]\n").find("[recipe] table.toml:2:1: unknown key"),
            0U);
}

TEST(Table, SettingsNameTheNearestKey) {
  Options options;
  set(options, "training.learning_rate", "0.05");
  set(options, "training.epochs", "3");
  set(options, "rigl.fraction.initial", "0.4");
  EXPECT_EQ(options.training->learning_rate, 0.05);
  EXPECT_EQ(options.epochs, 3);
  set(options, "training.steps", "70");
  EXPECT_EQ(options.epochs, 0);
  EXPECT_EQ(options.training->steps, 70);
  EXPECT_EQ(options.set.size(), 1U);
  expect_error([&] { set(options, "training.learning_rat", "1"); },
               "[recipe] unknown key 'training.learning_rat'; did you mean 'training.learning_rate'?");
  expect_error([&] { set(options, "rigl.start", "last"); },
               "[recipe] rigl.start expects one of zero, last_active, dormant, initial; got 'last'; did you mean "
               "'zero'?");
  expect_error([&] { set(options, "mine.interval", "5"); },
               "[recipe] unknown key 'mine.interval'; did you mean 'iee.interval'?");
  options.added = methods_from(kMine);
  set(options, "mine.interval", "5");
  EXPECT_EQ(row_policy(options.added[0], options, 0.1, 1000).interval, 5);
}

Options tiny() {
  Options options{.scale = "quick"};
  for (const auto& [key, value] : {std::pair{"seeds", "2"},
                                   {"training.steps", "40"},
                                   {"sparsities", "0.95"},
                                   {"methods", "static,rigl,iee"},
                                   {"data.train_images", "1200"},
                                   {"data.test_images", "300"},
                                   {"data.validation_images", "200"}}) {
    set(options, key, value);
  }
  return options;
}

TEST(AddedMethods, TrainBesideTheTablesOwnRows) {
  Options options = tiny();
  // The same as rigl but for its name: on the same data and seeds it must come out the same.
  options.added = methods_from("name = \"twin\"\npreset = \"rigl\"\nexplanation = \"RigL again\"\n");
  const std::vector<Method> swept = methods_from(std::string(kMine) + "[sweep]\npolicy.interval = [5, 10]\n");
  options.added.insert(options.added.end(), swept.begin(), swept.end());
  const Results results = reproduce(options);
  ASSERT_EQ(results.runs.size(), 2U * 6U);
  const auto find_run = [&](const std::string& name, std::uint64_t seed) {
    return *std::find_if(results.runs.begin(), results.runs.end(),
                         [&](const RunResult& run) { return run.method == name && run.seed == seed; });
  };
  for (const std::uint64_t seed : {0U, 1U}) {
    EXPECT_EQ(find_run("twin", seed).accuracy, find_run("rigl", seed).accuracy);
    EXPECT_EQ(find_run("twin", seed).train_loss, find_run("rigl", seed).train_loss);
    EXPECT_NE(find_run("mine[interval=5]", seed).train_loss, find_run("rigl", seed).train_loss);
  }
  for (const char* statement : {"twin vs rigl", "twin vs iee", "mine[interval=10] vs rigl"}) {
    EXPECT_TRUE(std::any_of(results.orderings.begin(), results.orderings.end(), [&](const Ordering& ordering) {
      return ordering.statement == statement && !ordering.claimed && ordering.pairs == 2;
    })) << statement;
  }
  EXPECT_NE(report(results).find("RigL again"), std::string::npos);
  EXPECT_NE(to_csv(summarise(results)).find("mine[interval=5]"), std::string::npos);

  const TemporaryFolder folder;
  save_results(folder.path(), results);
  Options resolved;
  read_table(folder / "recipe.resolved.toml", resolved);
  const Results again = reproduce(resolved);
  EXPECT_EQ(again.recipe, results.recipe);
  ASSERT_EQ(again.runs.size(), results.runs.size());
  for (std::size_t i = 0; i < again.runs.size(); ++i) {
    EXPECT_EQ(again.runs[i].method, results.runs[i].method);
    EXPECT_EQ(again.runs[i].accuracy, results.runs[i].accuracy);
    EXPECT_EQ(again.runs[i].train_loss, results.runs[i].train_loss);
    EXPECT_EQ(again.runs[i].policy, results.runs[i].policy);
  }
  EXPECT_EQ(results_from_json(to_json(results)).recipe, results.recipe);
}

TEST(Table, RefusesWhatCannotBeTrained) {
  Options options = tiny();
  options.added = {method("rigl")};
  EXPECT_NE(error_of([&] { reproduce(options); }).find("the table has a row 'rigl' already"), std::string::npos);
  options = tiny();
  set(options, "model.widths", "784,20,20,20,10");
  options.methods = {"small_dense"};
  EXPECT_NE(error_of([&] { reproduce(options); }).find("small_dense expects two hidden layers"), std::string::npos);
  set(options, "model.widths", "100,20,10");
  EXPECT_NE(error_of([&] { reproduce(options); }).find("expects widths from 784"), std::string::npos);
  options = tiny();
  set(options, "data.validation_images", "1190");
  EXPECT_NE(error_of([&] { reproduce(options); }).find("at least one batch"), std::string::npos);
}

}  // namespace
}  // namespace coppice::train::reactivation
