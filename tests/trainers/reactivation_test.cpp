#include <coppice/trainers/reactivation/reactivation.h>

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <numeric>

#include <coppice/core/error.h>

#include <tests/core/io/temporary_folder.h>
#include "tests/error_of.h"

namespace coppice::train::reactivation {
namespace {

TEST(Narrowed, MatchesTheNumberOfWeights) {
  const std::vector<std::int64_t> widths = {784, 300, 100, 10};
  ASSERT_EQ(count_weights(widths), 266200);
  for (const std::int64_t wanted : {133100, 26620, 13310, 5324, 2662}) {
    const std::vector<std::int64_t> narrow = narrowed(widths, wanted);
    EXPECT_LE(count_weights(narrow), wanted);
    EXPECT_GE(static_cast<double>(count_weights(narrow)), 0.98 * static_cast<double>(wanted));
    EXPECT_EQ(narrow.front(), 784);
    EXPECT_EQ(narrow.back(), 10);
  }
  EXPECT_EQ(narrowed(widths, 26620), (std::vector<std::int64_t>{784, 33, 17, 10}));
  EXPECT_THROW(narrowed(widths, 700), Error);
}

TEST(PhaseSteps, AreASixtiethOfTheTraining) {
  EXPECT_EQ(phase_steps(3000), 50);
  EXPECT_EQ(phase_steps(12000), 200);
  EXPECT_EQ(phase_steps(2400), 50);  // raised to 50, a forty-eighth
  EXPECT_EQ(phase_steps(400), 10);   // where 50 would leave no room for cycles
  EXPECT_EQ(phase_steps(1), 1);
}

TEST(Recipe, NamesItsRows) {
  EXPECT_EQ(method("iee").preset, "iee");
  EXPECT_THROW(method("eei"), Error);
  EXPECT_THROW(training("full"), Error);
  EXPECT_EQ(policy(method("iee"), 0.05, 3000).exploration_steps, 50);
  EXPECT_EQ(policy(method("iee_no_exploration"), 0.05, 3000).exploration_steps, 0);
  EXPECT_EQ(policy(method("rigl"), 0.05, 3000).interval, 60);
  EXPECT_EQ(policy(method("static"), 0.05, 3000).interval, 0);
  for (const Claim& claim : claims()) {
    method(claim.better);
    method(claim.worse);
  }
}

RunResult run_of(const std::string& name, std::uint64_t seed, double accuracy) {
  RunResult run{.method = name, .sparsity = 0.95, .seed = seed};
  run.accuracy = accuracy;
  return run;
}

TEST(Compare, PairsBySeed) {
  const std::vector<Ordering> orderings =
      compare({run_of("rigl", 0, 0.90), run_of("rigl", 1, 0.80), run_of("iee", 1, 0.83), run_of("iee", 0, 0.91),
               run_of("iee", 2, 0.10)});
  ASSERT_EQ(orderings.size(), 1U);
  EXPECT_EQ(orderings[0].statement, "iee >= rigl");
  EXPECT_EQ(orderings[0].pairs, 2);
  EXPECT_NEAR(orderings[0].difference.mean, 0.02, 1e-12);
  EXPECT_NEAR(orderings[0].difference.high - 0.02, 12.7062 * 0.01, 1e-5);
}

Options tiny() {
  Options options{.scale = "quick", .seeds = 2, .steps = 60};
  options.sparsities = {0.95};
  options.command = "test";
  options.seconds_of = [](const RunResult& run) { return run.method == "iee" ? 3.0 : 1.5; };
  return options;
}

/// Everything but times.
std::string fingerprint(const Results& results) {
  std::string text;
  for (RunResult run : results.runs) {
    Results one{.paper = "reactivation"};
    run.seconds = 0.0;
    run.cpu_seconds = 0.0;
    for (EpochRecord& record : run.records) record.seconds = 0.0;
    one.runs.push_back(run);
    text += to_json(one);
  }
  return text;
}

TEST(Reproduce, DoesNotDependOnTheNumberOfJobs) {
  Options options = tiny();
  options.jobs = 1;
  const Results alone = reproduce(options);
  options.jobs = 2;
  const Results together = reproduce(options);
  EXPECT_EQ(fingerprint(alone), fingerprint(together));
  EXPECT_EQ(alone.runs.size(), 2 * methods().size());
  EXPECT_FALSE(alone.interrupted);
  EXPECT_EQ(alone.orderings.size(), claims().size());

  std::map<std::string, const RunResult*> first;
  for (const RunResult& run : alone.runs) first.emplace(run.method, &run);
  EXPECT_EQ(first["dense"]->train_flops_ratio, 1.0);
  EXPECT_EQ(first["dense"]->nnz, 266200);
  for (const char* sparse :
       {"static", "set", "rigl", "iee", "iee_no_exploration", "rigl_equal_flops", "rigl_equal_seconds"}) {
    EXPECT_EQ(first[sparse]->nnz, first["static"]->nnz) << sparse;
    EXPECT_LT(first[sparse]->train_flops_ratio, 0.5) << sparse;
  }
  EXPECT_NEAR(static_cast<double>(first["static"]->nnz), 13310.0, 5.0);
  EXPECT_NEAR(first["rigl_equal_flops"]->train_flops_ratio / first["iee"]->train_flops_ratio, 1.0, 0.05);
  EXPECT_GT(first["rigl_equal_flops"]->steps, 60);
  EXPECT_EQ(first["rigl_equal_seconds"]->steps, 120);  // iee is said to take twice the seconds of rigl
  EXPECT_GT(first["iee"]->train_flops_ratio, first["rigl"]->train_flops_ratio);
  EXPECT_LT(first["static"]->peak_bytes, first["dense"]->peak_bytes);
  EXPECT_EQ(first["static"]->exploration_peak_bytes, 0);
  EXPECT_GT(first["iee"]->exploration_peak_bytes, first["iee"]->exploitation_peak_bytes);
  EXPECT_EQ(first["iee"]->peak_bytes, first["iee"]->exploration_peak_bytes);
  EXPECT_LT(first["iee"]->exploitation_peak_bytes, first["dense"]->exploitation_peak_bytes);
  EXPECT_NE(report(alone).find("rigl_equal_flops"), std::string::npos);
}

TEST(Reproduce, KeepsWhatTheReportDraws) {
  Options options = tiny();
  options.methods = {"iee", "dense"};
  const Results results = reproduce(options);
  EXPECT_EQ(results.image_height * results.image_width, 784);
  ASSERT_EQ(results.methods.size(), 2U);
  EXPECT_EQ(results.methods[1].first, "iee");
  ASSERT_EQ(results.runs.size(), 4U);
  const RunResult& dense = results.runs[0];
  EXPECT_EQ(dense.layers[0].alive, 784 * 300);
  EXPECT_TRUE(dense.alive_per_input.empty());
  const RunResult& iee = results.runs[2];
  ASSERT_EQ(iee.layers.size(), 3U);
  std::int64_t alive = 0;
  for (const LayerResult& layer : iee.layers) {
    EXPECT_EQ(layer.alive, layer.alive_at_start);  // ranked inside each layer
    alive += layer.alive;
  }
  EXPECT_EQ(alive, iee.nnz);
  EXPECT_EQ(std::accumulate(iee.alive_per_input.begin(), iee.alive_per_input.end(), std::int64_t{0}),
            iee.layers[0].alive);
  EXPECT_TRUE(results.runs[3].alive_per_input.empty());  // not the first seed
  ASSERT_GT(iee.updates.size(), 2U);
  EXPECT_EQ(iee.survival_by_lag.size(), iee.updates.size() - 1);
  EXPECT_EQ(iee.survival_by_lag[0], iee.survival);
  EXPECT_GT(iee.updates.front().fraction, iee.updates.back().fraction);
  EXPECT_GE(iee.updates.back().ever_alive, iee.updates.front().ever_alive);
  EXPECT_GT(iee.updates.front().ever_alive, 0.05);
}

TEST(Reproduce, TakesSettingsOfOneMethodOrAll) {
  Options options = tiny();
  options.seeds = 1;
  options.methods = {"rigl", "set"};
  options.set = {{"policy.fraction.initial", "0.4"}, {"rigl.interval", "9"}};
  const Results results = reproduce(options);
  ASSERT_EQ(results.runs.size(), 2U);
  const auto field = [](const RunResult& run, const std::string& key) {
    for (const auto& [name, value] : run.policy) {
      if (name == key) return value;
    }
    return std::string("none");
  };
  EXPECT_EQ(results.runs[0].method, "set");
  EXPECT_EQ(field(results.runs[0], "fraction.initial"), "0.4");
  EXPECT_EQ(field(results.runs[0], "interval"), "1");
  EXPECT_EQ(field(results.runs[1], "interval"), "9");
  options.set = {{"interval", "9"}};
  EXPECT_THROW(reproduce(options), Error);
  options.set = {{"policy.intervall", "9"}};
  EXPECT_THROW(reproduce(options), Error);
}

TEST(Reproduce, StopsWhenAsked) {
  Options options = tiny();
  options.jobs = 2;
  std::atomic<bool> stop{false};
  options.stop = &stop;
  options.on_progress = [&](const Progress& progress) {
    if (progress.finished == 2) stop = true;
  };
  const Results results = reproduce(options);
  EXPECT_TRUE(results.interrupted);
  EXPECT_GE(results.runs.size(), 2U);
  EXPECT_LT(results.runs.size(), 2 * methods().size());
  for (const RunResult& run : results.runs)
    EXPECT_EQ(run.steps, is_stretched(method(run.method).kind) ? run.steps : 60);
}

TEST(Reproduce, ResumedItTrainsOnlyWhatIsMissing) {
  const TemporaryFolder folder;
  Options options = tiny();
  options.methods = {"rigl", "iee", "rigl_equal_seconds"};
  options.seeds = 1;
  options.jobs = 1;
  const std::string unbroken = fingerprint(reproduce(options));

  options.runs = folder.path();
  options.resume = true;
  std::atomic<bool> stop{false};
  options.stop = &stop;
  options.on_progress = [&](const Progress& progress) { stop = progress.finished == 1; };
  const std::size_t kept = reproduce(options).runs.size();
  ASSERT_EQ(kept, 1U);
  const auto files = [&] {
    std::map<std::string, std::string> all;
    for (const auto& entry : std::filesystem::directory_iterator(folder.path())) {
      all[entry.path().filename()] = read_bytes(entry.path());
    }
    return all;
  };
  const std::map<std::string, std::string> before = files();
  ASSERT_EQ(before.size(), kept);

  options.on_progress = {};
  stop = false;
  EXPECT_EQ(fingerprint(reproduce(options)), unbroken);
  std::map<std::string, std::string> after = files();
  EXPECT_EQ(after.size(), 3U);
  for (const auto& [name, bytes] : before) EXPECT_EQ(after[name], bytes) << name << " was trained again";

  // What is damaged, or of another training, is done again.
  write_bytes(folder / "rigl-0.95-0.json", "{}");
  EXPECT_EQ(fingerprint(reproduce(options)), unbroken);
  after = files();
  options.set = {{"rigl.interval", "9"}};
  EXPECT_NE(fingerprint(reproduce(options)), unbroken);
  EXPECT_NE(files()["rigl-0.95-0.json"], after["rigl-0.95-0.json"]);
  EXPECT_EQ(files()["iee-0.95-0.json"], after["iee-0.95-0.json"]);
}

TEST(Reproduce, SaysWhatIsMissing) {
  Options options = tiny();
  options.scale = "small";
  EXPECT_THROW(reproduce(options), Error);
  options.data = "/nowhere";
  const std::string text = error_of([&] { reproduce(options); });
  EXPECT_NE(text.find("train-images-idx3-ubyte"), std::string::npos) << text;
  options = tiny();
  options.sparsities = {1.5};
  EXPECT_THROW(reproduce(options), Error);
}

}  // namespace
}  // namespace coppice::train::reactivation
