#pragma once

#include <string>

#include <coppice/sparsity/policy.h>
#include <coppice/trainers/reactivation/reactivation.h>
#include <coppice/trainers/report/merge.h>

namespace coppice::train::report {

/// A run with something for every section of the page.
inline RunResult fixture_run(const std::string& method, double sparsity, std::uint64_t seed, double accuracy) {
  RunResult run{.method = method, .network = "4-2-2", .sparsity = sparsity, .seed = seed, .steps = 60};
  run.accuracy = accuracy;
  run.validation_accuracy = accuracy;
  run.weights = 12;
  run.nnz = 6;
  run.train_flops_ratio = sparsity == 0.0 ? 1.0 : 0.3;
  run.seconds = 1.5;
  run.cpu_seconds = 1.25;
  run.peak_bytes = 1 << 20;
  run.exploitation_peak_bytes = 1 << 19;
  for (const std::int64_t step : {20, 40, 60}) {
    run.records.push_back(
        {.step = step, .validation = Evaluation{.accuracy = accuracy * static_cast<double>(step) / 60}});
  }
  run.layers = {{.name = "fc1.weight", .weights = 8, .alive_at_start = 4, .alive = 4},
                {.name = "fc2.weight", .weights = 4, .alive_at_start = 2, .alive = 2}};
  if (sparsity == 0.0) return run;
  sparsity::MaskPolicy policy = sparsity::preset(method == "iee" ? "iee" : "rigl");
  policy.interval = 5;
  if (method == "iee") policy.accuracy_steps = policy.exploration_steps = 5;
  run.policy = policy.to_pairs();
  run.exploration_peak_bytes = method == "iee" ? 1 << 20 : 0;
  run.updates = {{.step = 14, .fraction = 0.3, .iou_after_prune = 0.7, .iou_after_grow = 0.8, .ever_alive = 0.5},
                 {.step = 29, .fraction = 0.2, .iou_after_prune = 0.8, .iou_after_grow = 0.9, .ever_alive = 0.6}};
  run.survival_by_lag = {0.75};
  if (seed == 0) run.alive_per_input = {0, 1, 2, 1};
  return run;
}

/// Dense, rigl and iee at two sparsities with two seeds.
inline Results fixture_results(std::uint64_t first_seed = 0) {
  Results results{.paper = "reactivation", .scale = "quick", .command = "coppice reproduce reactivation --set \"a<b\""};
  results.seeds = 2;
  results.jobs = 1;
  results.options = {{"network", "4-2-2"}, {"steps", "60"}, {"batch_size", "8"}};
  results.methods = {{"dense", "every weight"}, {"rigl", "by gradient"}, {"iee", "explores"}};
  results.environment = {.version = "0", .commit = "abcdef", .compiler = "GNU", .cpu = "a & b", .isa = "AVX2"};
  results.dataset = "digits";
  results.image_height = results.image_width = 2;
  results.checksums = {{"train examples", "00ff"}};
  for (std::uint64_t seed = first_seed; seed < first_seed + 2; ++seed) {
    const double shift = 0.01 * static_cast<double>(seed);
    results.runs.push_back(fixture_run("dense", 0.0, seed, 0.97));
    for (const double sparsity : {0.95, 0.99}) {
      results.runs.push_back(fixture_run("rigl", sparsity, seed, 0.90 + shift));
      results.runs.push_back(fixture_run("iee", sparsity, seed, 0.92 + 0.5 * shift));
    }
  }
  results.orderings = reactivation::compare(results.runs);
  return results;
}

}  // namespace coppice::train::report
