#include <coppice/trainers/results.h>

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>

#include <nlohmann/json.hpp>

#include <coppice/core/error.h>

#include "tests/core/io/temporary_folder.h"

namespace coppice::train {
namespace {

RunResult run_of(const std::string& method, std::uint64_t seed, double accuracy) {
  RunResult run{.method = method, .network = "784-300-100-10", .sparsity = 0.95, .seed = seed};
  run.steps = 300;
  run.accuracy = accuracy;
  run.validation_accuracy = accuracy + 0.01;
  run.train_loss = 0.1 + accuracy / 3.0;
  run.weights = 266200;
  run.nnz = 13310;
  run.flops.dense = {1.0, 2.0, 3.0};
  run.flops.effective = {0.1, 0.2, 0.3};
  run.train_flops_ratio = 0.1;
  run.seconds = 1.25 + static_cast<double>(seed);
  run.cpu_seconds = 1.2;
  run.peak_bytes = 1000 + static_cast<std::int64_t>(seed);
  run.survival = 0.6;
  run.records = {
      {.step = 100, .epoch = 0.5, .learning_rate = 0.1, .loss = 0.7, .accuracy = 0.8, .seconds = 0.5},
      {.step = 300, .epoch = 1.5, .loss = 0.2, .validation = Evaluation{.loss = 0.3, .accuracy = 0.9, .count = 10}}};
  run.updates = {{.step = 7, .fraction = 0.3, .iou_after_prune = 0.7, .iou_after_grow = 0.8, .ever_alive = 0.06}};
  run.layers = {{.name = "0.weight", .weights = 235200, .alive_at_start = 7000, .alive = 7001}};
  run.survival_by_lag = {0.6, 0.5};
  run.exploration_peak_bytes = 2000;
  run.exploitation_peak_bytes = 1000;
  if (seed == 0) run.alive_per_input = {3, 0, 12};
  run.policy = {{"interval", "7"}, {"density", "0.05"}};
  return run;
}

Results some_results() {
  Results results{.paper = "reactivation", .scale = "quick", .command = "coppice reproduce reactivation --set \"a,b\""};
  results.seeds = 2;
  results.jobs = 2;
  results.wall_seconds = 3.5;
  results.options = {{"batch_size", "64"}, {"steps", "300"}};
  results.methods = {{"rigl", "grows by gradient"}, {"iee", "explores"}};
  results.image_height = 1;
  results.image_width = 3;
  results.environment = current_environment();
  results.environment.commit = "abc";
  results.environment.dirty = true;
  results.dataset = "digits";
  results.train_images = 100;
  results.checksums = {{"train examples", "00ff"}};
  results.runs = {run_of("rigl", 0, 0.90), run_of("iee", 0, 0.92), run_of("rigl", 1, 0.91), run_of("iee", 1, 0.94)};
  results.orderings = {{.statement = "iee >= rigl",
                        .published = "+1.3",
                        .sparsity = 0.95,
                        .pairs = 1,
                        .difference = {.mean = 0.02,
                                       .low = -std::numeric_limits<double>::infinity(),
                                       .high = std::numeric_limits<double>::infinity()}}};
  return results;
}

TEST(Results, SummariseByMethodAndSparsity) {
  const std::vector<ResultRow> rows = summarise(some_results());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[1].method, "iee");
  EXPECT_EQ(rows[1].seeds, 2);
  EXPECT_NEAR(rows[1].accuracy, 0.93, 1e-12);
  EXPECT_NEAR(rows[1].accuracy_sd, 0.014142135, 1e-8);
  EXPECT_NEAR(rows[1].seconds, 1.75, 1e-12);
  EXPECT_EQ(rows[1].peak_bytes, 1001);
  EXPECT_EQ(rows[1].commit, "abc+");
  EXPECT_EQ(rows[1].batch_size, 64);
}

TEST(Results, CsvKeepsItsColumnsAndValues) {
  const std::vector<std::string> shared = {
      "dataset", "network",    "method", "sparsity", "seeds", "accuracy", "accuracy_sd", "train_flops_ratio",
      "seconds", "peak_bytes", "nnz",    "device",   "isa",   "commit",   "command"};
  const std::vector<std::string> columns = csv_columns();
  ASSERT_GE(columns.size(), shared.size());
  EXPECT_EQ(std::vector<std::string>(columns.begin(), columns.begin() + 15), shared);

  const std::vector<ResultRow> rows = summarise(some_results());
  EXPECT_EQ(rows_from_csv(to_csv(rows)), rows);
  EXPECT_EQ(rows_from_csv("method,unknown,accuracy\r\niee,\"a \"\"b\"\", c\",0.5\r\n")[0].accuracy, 0.5);
  EXPECT_THROW(rows_from_csv("method,accuracy\niee\n"), Error);
  EXPECT_THROW(rows_from_csv("method,accuracy\niee,high\n"), Error);
  EXPECT_THROW(rows_from_csv(""), Error);
}

TEST(Results, JsonReadsBackWhatWasWritten) {
  const Results results = some_results();
  const std::string text = to_json(results);
  const Results again = results_from_json(text);
  EXPECT_EQ(to_json(again), text);
  EXPECT_EQ(again.runs.size(), 4U);
  EXPECT_EQ(again.runs[3].flops.effective, results.runs[3].flops.effective);
  EXPECT_FALSE(again.runs[0].records[0].validation);
  EXPECT_EQ(again.runs[0].records[1].validation->count, 10);
  EXPECT_EQ(again.orderings[0].difference.high, std::numeric_limits<double>::infinity());
  EXPECT_THROW(results_from_json("{}"), Error);
  EXPECT_THROW(results_from_json("not json"), Error);
  EXPECT_EQ(again.runs[0].alive_per_input, (std::vector<std::int64_t>{3, 0, 12}));
  EXPECT_TRUE(again.runs[3].alive_per_input.empty());
  std::string newer = text;
  newer.replace(newer.find("\"schema_version\": 2"), 19, "\"schema_version\": 9");
  EXPECT_THROW(results_from_json(newer), Error);
  std::string broken = text;
  broken.replace(broken.find("3 0 12"), 6, "3 0 1x");
  EXPECT_THROW(results_from_json(broken), Error);
}

TEST(Results, ReadTheFirstSchemaVersion) {
  nlohmann::ordered_json json = nlohmann::ordered_json::parse(to_json(some_results()));
  json["schema_version"] = 1;
  json.erase("methods");
  json["data"].erase("image_height");
  json["data"].erase("image_width");
  for (auto& run : json["runs"]) {
    for (const char* key :
         {"exploration_peak_bytes", "exploitation_peak_bytes", "survival_by_lag", "layers", "alive_per_input"}) {
      run.erase(key);
    }
    for (auto& update : run["updates"]) {
      update.erase("fraction");
      update.erase("ever_alive");
    }
  }
  const Results old = results_from_json(json.dump());
  EXPECT_EQ(old.runs[0].updates[0].iou_after_grow, 0.8);
  EXPECT_TRUE(old.runs[0].layers.empty());
  EXPECT_EQ(summarise(old), summarise(some_results()));
}

TEST(Results, AreSavedSideBySide) {
  const TemporaryFolder folder;
  const std::filesystem::path directory = folder / "results";
  save_results(directory, some_results());
  std::ifstream file(directory / "results.csv");
  const std::string csv{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  EXPECT_EQ(rows_from_csv(csv), summarise(some_results()));
  EXPECT_TRUE(std::filesystem::exists(directory / "results.json"));
}

TEST(Ordering, HoldsByItsMeanOrByItsInterval) {
  Ordering ordering{.difference = {.mean = 0.01, .low = -0.01, .high = 0.03}};
  EXPECT_TRUE(ordering.held());
  ordering.clearly = true;
  EXPECT_FALSE(ordering.held());
  ordering.difference.low = 0.001;
  EXPECT_TRUE(ordering.held());
  EXPECT_FALSE((Ordering{.difference = {.mean = -0.01, .low = -0.02, .high = 0.0}}.held()));
}

}  // namespace
}  // namespace coppice::train
