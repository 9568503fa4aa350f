#pragma once

#include <vector>

#include <coppice/trainers/cli/bench_options.h>

namespace coppice::bench {

using Options = train::cli::BenchOptions;

/// Adds benchmarks that depend on the options, once these are known: a file's `const Suite kSuite(add);`.
class Suite {
 public:
  explicit Suite(void (*add)(const Options&)) { all().push_back(add); }

  static void add_all(const Options& options) {
    for (const auto add : all()) add(options);
  }

 private:
  static std::vector<void (*)(const Options&)>& all() {
    static std::vector<void (*)(const Options&)> suites;
    return suites;
  }
};

}  // namespace coppice::bench
