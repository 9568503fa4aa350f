// coppice bench: measures the registered cases, prints and keeps what came out, and compares with an earlier run.

#include <cstdio>
#include <exception>
#include <fstream>
#include <string>

#include <benchmark/benchmark.h>

#include <coppice/core/error.h>
#include <coppice/core/parallel.h>
#include <coppice/trainers/cli/bench_options.h>
#include <coppice/trainers/measure/ceilings.h>
#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/records.h>

#include "bench/harness/collector.h"
#include "bench/harness/suite.h"
#include "bench/report/document.h"
#include "bench/report/networks.h"

namespace coppice::bench {
namespace {

namespace measure = train::measure;

std::string join(int count, char** arguments) {
  std::string line = "coppice bench";
  for (int i = 1; i < count; ++i) line += std::string(" ") + arguments[i];
  return line;
}

std::string rate_text(double per_second) {
  char text[32];
  std::snprintf(text, sizeof(text), "%.4g", per_second * 1e-9);
  return text;
}

/// Tells Google Benchmark what the options ask for; what else it was told by --benchmark_… comes last and wins.
void initialize_benchmarks(const Options& options, const std::vector<std::string>& rest) {
  std::vector<std::string> words = {"coppice-bench", "--benchmark_filter=" + options.filter,
                                    "--benchmark_repetitions=" + std::to_string(options.repetitions),
                                    "--benchmark_min_time=" + std::to_string(options.sample_seconds),
                                    "--benchmark_enable_random_interleaving=true"};
  if (options.list) words.emplace_back("--benchmark_list_tests");
  words.insert(words.end(), rest.begin(), rest.end());
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  int count = static_cast<int>(pointers.size());
  benchmark::Initialize(&count, pointers.data());
  COPPICE_CHECK(count == 1, "[bench] there is no option ", pointers[1]);
}

/// Says what changed; false where something became slower.
bool report_changes(const std::vector<measure::Comparison>& comparisons) {
  using Verdict = measure::Comparison::Verdict;
  bool good = true;
  std::printf("\n%-58s %s\n", "against the base (above 1 is faster now)", "ratio   95 % interval");
  for (const measure::Comparison& c : comparisons) {
    if (c.verdict == Verdict::Missing || c.verdict == Verdict::Refused) {
      std::printf("%-58s -       %s\n", c.name.c_str(), c.reason.c_str());
      continue;
    }
    const char* verdict = c.verdict == Verdict::Slower ? "  SLOWER" : c.verdict == Verdict::Faster ? "  faster" : "";
    std::printf("%-58s %.3f   %.3f … %.3f%s\n", c.name.c_str(), c.ratio.value, c.ratio.low, c.ratio.high, verdict);
    good = good && c.verdict != Verdict::Slower;
  }
  return good;
}

int run_cases(const Options& options, const std::vector<std::string>& rest, const std::string& command) {
  Suite::add_all(options);
  initialize_benchmarks(options, rest);
  if (options.list) {
    benchmark::RunSpecifiedBenchmarks();
    return 0;
  }
  measure::Measurements base;
  if (!options.compare.empty()) base = measure::load_measurements(options.compare);

  measure::Measurements now{.conditions = measure::current_conditions(command)};
  const measure::Ceilings ceilings = measure::measure_ceilings();
  now.conditions.emplace_back("peak.flops", rate_text(ceilings.flops) + " GFLOP/s");
  now.conditions.emplace_back("peak.bandwidth", rate_text(ceilings.dram) + " GB/s");
  for (const auto& [key, value] : now.conditions) std::printf("# %s: %s\n", key.c_str(), value.c_str());

  Collector collector(options.threads, ceilings);
  benchmark::RunSpecifiedBenchmarks(&collector);
  now.records = collector.records();
  if (!options.out.empty()) measure::save_measurements(options.out, now);
  COPPICE_CHECK(!now.records.empty(), "[bench] no case's name has '", options.filter, "'; --list names them");
  if (options.compare.empty()) return 0;
  return report_changes(measure::compare(base, now, options.tolerance)) ? 0 : 1;
}

/// Trains two steps and prints the most bytes this process held in memory.
int train_as_child() {
  const auto step = training_step(128, {});
  for (int i = 0; i < 2; ++i) step();
  std::ifstream status("/proc/self/status");
  for (std::string word; status >> word;) {
    double kibibytes = 0.0;
    if (word == "VmHWM:" && status >> kibibytes) std::printf("%.0f\n", 1024.0 * kibibytes);
  }
  return 0;
}

}  // namespace
}  // namespace coppice::bench

int main(int argc, char** argv) {
  CLI::App app("Measure Coppice's kernels (docs/measuring.md)");
  app.name("coppice bench");
  app.allow_extras();  // those that begin with --benchmark_ are Google Benchmark's
  coppice::bench::Options options;
  coppice::train::cli::add_bench_options(app, options);
  std::string child;
  app.add_option("--child", child)->group("");  // what another process of this program measures from outside
  CLI11_PARSE(app, argc, argv);
  try {
    if (!options.isa.empty()) coppice::train::measure::force_isa(options.isa);
    coppice::set_num_threads(options.threads);
    const std::string command = coppice::bench::join(argc, argv);
    if (child == "training") return coppice::bench::train_as_child();
    if (options.document) return coppice::bench::write_document(options, command);
    return coppice::bench::run_cases(options, app.remaining(), command);
  } catch (const std::exception& error) {
    std::fprintf(stderr, "coppice bench: %s\n", error.what());
    return 1;
  }
}
