#pragma once

#include <benchmark/benchmark.h>

#include <coppice/trainers/measure/ceilings.h>
#include <coppice/trainers/measure/records.h>

namespace coppice::bench {

/// Takes what Google Benchmark measured: prints a line a case and keeps the samples.
class Collector : public benchmark::BenchmarkReporter {
 public:
  /// `threads` says which clock counts; shares are of `ceilings`.
  Collector(int threads, const train::measure::Ceilings& ceilings);

  bool ReportContext(const Context& context) override;
  void ReportRuns(const std::vector<Run>& runs) override;

  const std::vector<train::measure::Record>& records() const { return records_; }

 private:
  int threads_;
  train::measure::Ceilings ceilings_;
  std::vector<train::measure::Record> records_{};

  void print(const train::measure::Record& record) const;
};

}  // namespace coppice::bench
