#include <coppice/trainers/report/cells.h>

#include <algorithm>
#include <iterator>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/statistics.h>

namespace coppice::train::report {
namespace {

/// The curve's x and y at a position, linear between samples and constant outside.
Sample at_position(const std::vector<Sample>& curve, double position) {
  const auto after = std::ranges::lower_bound(curve, position, {}, &Sample::position);
  if (after == curve.begin()) return curve.front();
  if (after == curve.end()) return curve.back();
  const Sample& low = *(after - 1);
  const double share = (position - low.position) / (after->position - low.position);
  return {position, low.x + share * (after->x - low.x), low.y + share * (after->y - low.y)};
}

}  // namespace

double Cell::mean(const std::function<double(const RunResult&)>& value) const {
  double sum = 0.0;
  for (const RunResult* run : runs) sum += value(*run);
  return sum / static_cast<double>(runs.size());
}

std::vector<Cell> cells_of(const Comparison& comparison) {
  std::vector<Cell> cells;
  for (const RunResult& run : comparison.runs) {
    const auto same = [&](const Cell& cell) { return cell.method == run.method && cell.sparsity == run.sparsity; };
    auto found = std::ranges::find_if(cells, same);
    if (found == cells.end()) found = cells.insert(found, {.method = run.method, .sparsity = run.sparsity});
    found->runs.push_back(&run);
  }
  return cells;
}

std::vector<Cell> at_sparsity(const std::vector<Cell>& cells, double sparsity) {
  std::vector<Cell> chosen;
  std::ranges::copy_if(cells, std::back_inserter(chosen), [&](const Cell& cell) { return cell.sparsity == sparsity; });
  return chosen;
}

std::vector<double> sparsities_of(const Comparison& comparison) {
  std::vector<double> sparsities;
  for (const ResultRow& row : comparison.rows) {
    if (row.sparsity > 0.0) sparsities.push_back(row.sparsity);
  }
  std::ranges::sort(sparsities);
  sparsities.erase(std::unique(sparsities.begin(), sparsities.end()), sparsities.end());
  return sparsities;
}

std::string sparsity_name(double sparsity) { return concat(percent(sparsity), " % sparsity"); }

std::vector<Point> averaged(const Cell& cell, const std::function<std::vector<Sample>(const RunResult&)>& curve) {
  std::vector<std::vector<Sample>> curves;
  for (const RunResult* run : cell.runs) {
    curves.push_back(curve(*run));
    if (curves.back().empty()) return {};
  }
  std::vector<Point> points;
  for (const Sample& node : curves.front()) {
    std::vector<double> xs;
    std::vector<double> ys;
    for (const std::vector<Sample>& other : curves) {
      const Sample sample = at_position(other, node.position);
      xs.push_back(sample.x);
      ys.push_back(sample.y);
    }
    points.push_back({.x = mean(xs), .y = mean(ys), .spread = standard_deviation(ys)});
  }
  return points;
}

sparsity::MaskPolicy policy_of(const RunResult& run) {
  sparsity::MaskPolicy policy;
  for (const auto& [key, value] : run.policy) policy.set(key, value);
  return policy;
}

}  // namespace coppice::train::report
