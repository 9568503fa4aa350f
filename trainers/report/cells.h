#pragma once

#include <functional>
#include <string>
#include <vector>

#include <coppice/sparsity/policy.h>
#include <coppice/trainers/report/chart.h>
#include <coppice/trainers/report/merge.h>

namespace coppice::train::report {

/// The runs of one method at one sparsity, one for each seed.
struct Cell {
  std::string method{};
  double sparsity = 0.0;
  std::vector<const RunResult*> runs{};

  double mean(const std::function<double(const RunResult&)>& value) const;
};

/// All cells, in the order their first runs have.
std::vector<Cell> cells_of(const Comparison& comparison);
/// Those of one sparsity.
std::vector<Cell> at_sparsity(const std::vector<Cell>& cells, double sparsity);
/// The sparsities above 0 among the rows, ascending.
std::vector<double> sparsities_of(const Comparison& comparison);
/// `95 % sparsity`
std::string sparsity_name(double sparsity);

/// A point of one run's curve. `position` goes from 0 to 1 over the run: where it is compared with other seeds.
struct Sample {
  double position = 0.0;
  double x = 0.0;
  double y = 0.0;
};

/// Mean and spread over the runs of a cell at the positions of its first run, others interpolated. Empty where a run
/// has no curve.
std::vector<Point> averaged(const Cell& cell, const std::function<std::vector<Sample>(const RunResult&)>& curve);

/// The policy a run records.
sparsity::MaskPolicy policy_of(const RunResult& run);

}  // namespace coppice::train::report
