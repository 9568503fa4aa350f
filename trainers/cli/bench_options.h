#pragma once

#include <string>
#include <vector>

#include <CLI/CLI.hpp>

namespace coppice::train::cli {

/// What `coppice bench` takes; the benchmark program parses the same.
struct BenchOptions {
  std::string filter = ".*";
  bool list = false;
  std::string kernel = "all";
  std::string masks = "uniform";
  std::vector<double> sparsities = {0.5, 0.8, 0.9, 0.95, 0.98};
  int threads = 1;
  std::string isa{};
  int repetitions = 9;
  double sample_seconds = 0.02;
  std::string compare{};
  double tolerance = 0.03;
  std::string out{};
  bool document = false;
  std::vector<std::string> only{};
  std::string results = "bench/results";
  std::string page = "docs/performance.md";
  std::string venv = "build/peers-venv";
};

/// Declares every option, with the example that ends the help.
void add_bench_options(CLI::App& command, BenchOptions& options);

}  // namespace coppice::train::cli
