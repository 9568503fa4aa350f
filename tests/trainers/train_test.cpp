#include <coppice/trainers/train.h>

#include <gtest/gtest.h>

#include <array>
#include <atomic>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include <tests/core/io/temporary_folder.h>
#include <tests/error_of.h>
#include <nlohmann/json.hpp>

namespace coppice::train {
namespace {

Recipe small_recipe() {
  return parse_recipe(R"(name = "small"
[data]
set = "digits"
train_images = 200
test_images = 40
validation_images = 40
[model]
widths = [784, 12, 10]
[training]
batch_size = 20
steps = 40
[policy]
preset = "rigl"
density = 0.2
interval = 7
[checkpoint]
every = 10
keep = 2
)",
                      "small.toml");
}

/// Trains until that step, in a directory.
TrainResult train_until(std::int64_t step, const std::filesystem::path& directory, TrainOptions options = {}) {
  std::atomic<bool> stop{false};
  options.stop = &stop;
  options.on_step = [&](std::int64_t done) { stop = done >= step; };
  return train(small_recipe(), directory, options);
}

std::vector<std::string> lines_of(const std::filesystem::path& file) {
  std::vector<std::string> lines;
  std::istringstream text(read_bytes(file));
  for (std::string line; std::getline(text, line);) lines.push_back(line);
  return lines;
}

TEST(Train, LeavesRecipeLogCheckpointsAndMetrics) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder / "out";
  const TrainResult result = train(small_recipe(), out);
  EXPECT_FALSE(result.fitted.stopped);
  EXPECT_EQ(result.checkpoint, out / "checkpoints/step-000000040.safetensors");
  EXPECT_EQ(to_pairs(read_recipe(out / "recipe.resolved.toml")),
            to_pairs(recipe_of(load_checkpoint(result.checkpoint))));
  EXPECT_EQ(to_pairs(read_recipe(out / "recipe.resolved.toml"))[0], to_pairs(small_recipe())[0]);

  ASSERT_EQ(result.fitted.records.size(), 5U);
  EXPECT_EQ(lines_of(out / "log.csv").size(), 6U);
  const std::vector<std::string> log = lines_of(out / "log.jsonl");
  ASSERT_EQ(log.size(), 5U);
  const nlohmann::json last = nlohmann::json::parse(log.back());
  EXPECT_EQ(last.at("step"), 40);
  EXPECT_EQ(last.at("train_loss"), result.fitted.records.back().loss);
  EXPECT_EQ(last.at("validation_accuracy"), result.validation->accuracy);

  const nlohmann::json metrics = nlohmann::json::parse(read_bytes(out / "metrics.json"));
  EXPECT_EQ(metrics.at("test").at("accuracy"), result.test->accuracy);
  EXPECT_EQ(metrics.at("test").at("images"), 40);
  EXPECT_EQ(metrics.at("alive"), result.alive);
  EXPECT_EQ(result.weights, 784 * 12 + 120);
  EXPECT_NEAR(static_cast<double>(result.alive), 0.2 * (784 * 12 + 120), 2.0);  // rounded layer by layer
}

/// The linear problems of a training of small_recipe, and which kernels it says ran them.
std::map<std::string, std::string> kernels_of(const std::filesystem::path& checkpoint) {
  return Plan::parse(load_checkpoint(checkpoint).metadata.at("kernels")).entries();
}

/// Of every problem another kernel than `kernels` has.
Plan others(const std::map<std::string, std::string>& kernels) {
  Plan plan;
  for (const auto& [problem, kernel] : kernels) {
    const bool is_weight = problem.starts_with("linear/weight_gradient");
    plan.set(problem, is_weight ? (kernel == "sampled" ? "dense/gathered" : "sampled")
                                : (kernel == "dense/expanded"
                                       ? (problem.starts_with("linear/forward") ? "csr/panel" : "csc/panel")
                                       : "dense/expanded"));
  }
  return plan;
}

TEST(Train, SaysWhichKernelsRan) {
  const TemporaryFolder folder;
  const TrainResult result = train(small_recipe(), folder / "a");
  const std::map<std::string, std::string> kernels = kernels_of(result.checkpoint);
  EXPECT_EQ(kernels.size(), 5U);  // two layers; the first needs no gradient of its input
  EXPECT_EQ(result.kernels.entries(), kernels);
  EXPECT_FALSE(load_checkpoint(result.checkpoint).metadata.contains("plan"));
  const nlohmann::json metrics = nlohmann::json::parse(read_bytes(folder / "a/metrics.json"));
  EXPECT_EQ(metrics.at("kernels").get<decltype(kernels_of(""))>(), kernels);
  EXPECT_EQ(metrics.at("plan"), "");
}

TEST(Train, FollowsAPlanAndKeepsIt) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder / "out";
  const std::map<std::string, std::string> usual = kernels_of(train(small_recipe(), folder / "usual").checkpoint);
  Plan plan = others(usual);
  plan.set_condition("isa", "another");
  plan.set("linear/forward 7 * 12x784 float32 1 alive", "dense/expanded");
  std::vector<std::string> notes;
  const auto note = [&](const std::string& text) { notes.push_back(text); };
  const TrainResult stopped = train_until(17, out, {.plan = plan, .on_note = note});
  EXPECT_EQ(plan_of(load_checkpoint(stopped.checkpoint)), plan);
  EXPECT_EQ(kernels_of(stopped.checkpoint), others(usual).entries());
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(notes[0].starts_with("the plan was made for another, and kernels run on ")) << notes[0];

  // Goes on by it, to the bits of an unbroken training.
  notes.clear();
  const TrainResult whole = train(small_recipe(), folder / "whole", {.plan = plan});
  const TrainResult resumed = train(small_recipe(), out, {.resume = true, .on_note = note});
  EXPECT_EQ(read_bytes(resumed.checkpoint) == read_bytes(whole.checkpoint), true);
  EXPECT_EQ(resumed.kernels, whole.kernels);
  ASSERT_EQ(notes.size(), 2U);
  EXPECT_EQ(notes[1], "problems of the plan that never came: 1, the first linear/forward 7 * 12x784 float32 1 alive");
}

TEST(Train, ChangesThePlanWithANote) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder / "out";
  const Plan plan = others(kernels_of(train(small_recipe(), folder / "usual").checkpoint));
  train_until(17, out, {.plan = plan});
  std::vector<std::string> notes;
  const TrainResult result =
      train(small_recipe(), out,
            {.resume = true, .plan = Plan(), .on_note = [&](const std::string& text) { notes.push_back(text); }});
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_TRUE(notes[0].starts_with("trained by another plan until now")) << notes[0];
  EXPECT_EQ(kernels_of(result.checkpoint), kernels_of(folder / "usual/checkpoints/step-000000040.safetensors"));
  EXPECT_EQ(plan_of(load_checkpoint(result.checkpoint)), Plan());
}

TEST(Train, ResumedAnywhereItLeavesTheSameFiles) {
  const TemporaryFolder folder;
  const std::filesystem::path whole = folder / "whole";
  train(small_recipe(), whole);
  const std::filesystem::path out = folder / "out";
  for (const std::int64_t step : {3, 10, 17, 36}) {
    const TrainResult stopped = train_until(step, out, {.resume = true});
    EXPECT_TRUE(stopped.fitted.stopped);
    EXPECT_EQ(stopped.fitted.steps, step);
    EXPECT_FALSE(stopped.test);
    EXPECT_FALSE(std::filesystem::exists(out / "metrics.json"));
  }
  std::int64_t began_at = -1;
  train(small_recipe(), out, {.resume = true, .on_start = [&](std::int64_t first, std::int64_t) { began_at = first; }});
  EXPECT_EQ(began_at, 36);
  const char* last = "checkpoints/step-000000040.safetensors";
  EXPECT_EQ(read_bytes(out / last) == read_bytes(whole / last), true);

  const auto without_times = [](const std::filesystem::path& file) {
    std::vector<nlohmann::json> records;
    for (const std::string& line : lines_of(file)) records.push_back(nlohmann::json::parse(line));
    for (nlohmann::json& record : records) record.erase("seconds");
    return records;
  };
  EXPECT_EQ(without_times(out / "log.jsonl"), without_times(whole / "log.jsonl"));
  const auto metrics = [](const std::filesystem::path& directory) {
    nlohmann::json json = nlohmann::json::parse(read_bytes(directory / "metrics.json"));
    for (const char* measured : {"seconds", "cpu_seconds", "peak_bytes"}) json.erase(measured);
    return json;
  };
  EXPECT_EQ(metrics(out), metrics(whole));
}

TEST(Train, GoesOnWithOtherWorkersAndCheckpointsOnly) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder / "out";
  train_until(12, out);
  expect_error([&] { train(small_recipe(), out); },
               "[train] " + out.string() + " holds a training already; resume it, or train elsewhere");
  const std::string file = (out / "checkpoints/step-000000012.safetensors").string();
  for (const auto& [key, value, was] : std::vector<std::array<std::string, 3>>{
           {"training.learning_rate", "0.05", "0.1"}, {"policy.interval", "8", "7"}, {"training.steps", "50", "40"}}) {
    Recipe other = small_recipe();
    set(other, key, value);
    expect_error([&] { train(other, out, {.resume = true}); }, "[train] " + file + " was trained with " + key + " = " +
                                                                   was + "; got " + value +
                                                                   "; a training goes on only as it began");
  }
  Recipe same = small_recipe();
  set(same, "training.workers", "2");
  set(same, "checkpoint.every", "0");
  EXPECT_EQ(train(same, out, {.resume = true}).fitted.steps, 40);
}

TEST(Train, PassesOverADamagedCheckpointUnlessItIsNamed) {
  const TemporaryFolder folder;
  const std::filesystem::path out = folder / "out";
  const std::filesystem::path newest = train_until(12, out).checkpoint;
  std::string bytes = read_bytes(newest);
  bytes[bytes.size() / 2] ^= 4;
  write_bytes(newest, bytes);
  EXPECT_NE(error_of([&] { train(small_recipe(), out, {.from = newest}); }).find(newest.string()), std::string::npos);

  std::vector<std::string> notes;
  TrainOptions options{.resume = true, .on_note = [&](const std::string& note) { notes.push_back(note); }};
  std::int64_t began_at = -1;
  options.on_start = [&](std::int64_t first, std::int64_t) { began_at = first; };
  train(small_recipe(), out, options);
  EXPECT_EQ(began_at, 10);
  ASSERT_EQ(notes.size(), 1U);
  EXPECT_NE(notes.front().find(newest.string()), std::string::npos);

  for (const auto& entry : std::filesystem::directory_iterator(out / "checkpoints")) {
    write_bytes(entry.path(), "nothing");
  }
  EXPECT_NE(error_of([&] { train(small_recipe(), out, options); }).find("none that can be read"), std::string::npos);
}

}  // namespace
}  // namespace coppice::train
