#include "bench/harness/collector.h"

#include <cstdio>

namespace coppice::bench {
namespace {

using train::measure::Record;

double counter(const benchmark::BenchmarkReporter::Run& run, const char* name) {
  const auto found = run.counters.find(name);
  return found == run.counters.end() ? 0.0 : found->second.value;
}

/// `12.3 µs` and the like.
std::string time_text(double seconds) {
  constexpr std::pair<double, const char*> kUnits[] = {{1.0, "s"}, {1e-3, "ms"}, {1e-6, "µs"}, {0.0, "ns"}};
  for (const auto& [unit, name] : kUnits) {
    if (seconds < unit) continue;
    char text[40];
    std::snprintf(text, sizeof(text), "%.4g %s", seconds / (unit == 0.0 ? 1e-9 : unit), name);
    return text;
  }
  return "-";
}

}  // namespace

Collector::Collector(int threads, const train::measure::Ceilings& ceilings) : threads_(threads), ceilings_(ceilings) {}

bool Collector::ReportContext(const Context& /*context*/) {
  std::printf("%-58s %11s %7s %16s %16s\n", "case", "median", "± usual", "GFLOP/s (peak)", "GB/s (DRAM)");
  return true;
}

void Collector::ReportRuns(const std::vector<Run>& runs) {
  Record record;
  std::vector<train::measure::Sample> samples;
  for (const Run& run : runs) {
    if (run.run_type != Run::RT_Iteration) continue;
    record.name = run.run_name.function_name;
    if (!run.run_name.args.empty()) record.name += '/' + run.run_name.args;
    record.label = run.report_label;
    if (run.error_occurred) {
      record.refused = run.error_message;
      continue;
    }
    const auto iterations = static_cast<double>(run.iterations);
    const double wall = run.real_accumulated_time / iterations;
    const double cpu = run.cpu_accumulated_time / iterations;
    const bool manual = run.run_name.time_type == "manual_time";
    samples.push_back({.wall = wall, .cpu = manual ? wall : cpu});
    // Rates are by the clock that the case asked for.
    const double seconds = run.run_name.time_type.empty() ? cpu : wall;
    record.flops = counter(run, "GFLOP/s") * seconds * 1e9;
    record.bytes = counter(run, "bytes_per_second") * seconds;
  }
  if (record.name.empty()) return;  // sums over repetitions, which are reported apart
  if (!samples.empty()) {
    const train::measure::Kept kept = train::measure::keep(samples, threads_);
    record.clock = threads_ == 1 ? "cpu" : "wall";
    record.seconds = kept.seconds;
    record.rejected = kept.rejected;
    record.refused = kept.refused;
  }
  print(record);
  records_.push_back(std::move(record));
}

void Collector::print(const Record& record) const {
  if (record.seconds.empty() || !record.refused.empty()) {
    std::printf("%-58s refused: %s\n", record.name.c_str(), record.refused.c_str());
    return;
  }
  const double middle = train::measure::median(record.seconds);
  std::printf("%-58s %11s %5.1f %%", record.name.c_str(), time_text(middle).c_str(),
              100.0 * train::measure::median_deviation(record.seconds) / middle);
  if (record.flops > 0.0) {
    const double rate = record.flops / middle;
    std::printf(" %8.1f (%3.0f %%)", rate * 1e-9, 100.0 * rate / ceilings_.flops);
  } else {
    std::printf(" %16s", "");
  }
  if (record.bytes > 0.0) {
    const double rate = record.bytes / middle;
    std::printf(" %8.1f (%3.0f %%)", rate * 1e-9, 100.0 * rate / ceilings_.dram);
  }
  if (record.rejected > 0) std::printf("  %d samples rejected", record.rejected);
  std::printf("%s%s\n", record.label.empty() ? "" : "  ", record.label.c_str());
}

}  // namespace coppice::bench
