#include <algorithm>
#include <functional>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

using Curve = std::function<std::vector<Sample>(const RunResult&)>;

double share_of(std::int64_t step, const RunResult& run) {
  return static_cast<double>(step + 1) / static_cast<double>(run.steps);
}

std::vector<Sample> of_updates(const RunResult& run, double UpdateResult::*value) {
  std::vector<Sample> curve;
  for (const UpdateResult& update : run.updates) {
    const double share = share_of(update.step, run);
    curve.push_back({share, share, update.*value});
  }
  return curve;
}

/// Survival over the steps since a weight was grown: updates of different methods are not equally far apart.
std::vector<Sample> survival_curve(const RunResult& run) {
  if (run.survival_by_lag.empty()) return {};
  const auto cycle = static_cast<double>(policy_of(run).cycle_steps());
  const auto lags = static_cast<double>(run.survival_by_lag.size());
  std::vector<Sample> curve = {{0.0, 0.0, 1.0}};
  for (const double survival : run.survival_by_lag) {
    const auto lag = static_cast<double>(curve.size());
    curve.push_back({lag / lags, lag * cycle, survival});
  }
  return curve;
}

std::vector<Sample> ever_alive_curve(const RunResult& run) {
  if (run.layers.empty() || run.updates.empty()) return {};  // schema version 1 has no R_s
  std::vector<Sample> curve = {
      {0.0, 0.0, static_cast<double>(run.nnz) / static_cast<double>(std::max<std::int64_t>(1, run.weights))}};
  for (const Sample& sample : of_updates(run, &UpdateResult::ever_alive)) curve.push_back(sample);
  return curve;
}

void write_group(Markup& page, const Context& context, const Chart& like, const Curve& curve, const char* heading,
                 const char* explanation, bool first_only = false) {
  std::vector<Chart> charts;
  std::vector<std::string> shown;
  for (const double sparsity : context.sparsities) {
    Chart chart = like;
    chart.title = sparsity_name(sparsity);
    for (const Cell& cell : at_sparsity(context.cells, sparsity)) {
      std::vector<Point> points = averaged(cell, curve);
      if (points.empty()) continue;
      chart.series.push_back(series_of(context, cell.method, std::move(points)));
      if (std::ranges::find(shown, cell.method) == shown.end()) shown.push_back(cell.method);
    }
    if (!chart.series.empty()) charts.push_back(std::move(chart));
    if (first_only && !charts.empty()) break;
  }
  if (charts.empty()) return;
  page.element("h3", heading).element("p", {{"class", "soft"}}, explanation);
  draw_legend(page, context.styles, shown, false);
  draw_all(page, charts);
}

}  // namespace

void write_dynamics(Markup& page, const Context& context) {
  const bool any =
      std::ranges::any_of(context.comparison.runs, [](const RunResult& run) { return !run.updates.empty(); });
  if (!any) return;
  page.element("h2", {{"id", "dynamics"}}, "How the masks change");
  const Axis share{.label = "share of the training (%)", .as_percent = true, .low = 0.0, .high = 1.0};
  write_group(
      page, context,
      {.description = "Share of grown weights that are still alive, over the steps since they were grown.",
       .x = {.label = "steps since a weight was grown"},
       .y = {.label = "still alive (%)", .as_percent = true, .low = 0.0, .high = 1.0}},
      survival_curve, "Do grown weights survive?",
      "Of the weights an update grew, the share that later updates kept. A method that chooses well keeps what it "
      "chose; one that chooses badly drops it again. Far to the right only the earliest updates are left.");
  write_group(
      page, context,
      {.description = "Overlap of the mask before and after each update, over the training.",
       .x = share,
       .y = {.label = "IoU after growing (%)", .as_percent = true}},
      [](const RunResult& run) { return of_updates(run, &UpdateResult::iou_after_grow); },
      "Do masks settle? After growing",
      "Intersection over union of the mask before an update and after it. 100 %: nothing changed, or all that was "
      "dropped came back.");
  write_group(
      page, context,
      {.description = "Overlap of the mask before each update and after its drop, over the training.",
       .x = share,
       .y = {.label = "IoU after pruning (%)", .as_percent = true}},
      [](const RunResult& run) { return of_updates(run, &UpdateResult::iou_after_prune); }, "And after pruning",
      "The same between the two halves of an update, when the smallest weights are dropped and none is grown yet. "
      "It follows the schedule of how many are exchanged, at every sparsity alike; shown is the lowest.",
      true);
  write_group(page, context,
              {.description = "Share of all weights that were alive at least once, over the training.",
               .x = share,
               .y = {.label = "ever alive, R_s (%)", .as_percent = true}},
              ever_alive_curve, "How much of the network is ever tried?",
              "Share of all weights that were part of the mask at least once (R_s), exploration itself not counted.");
}

}  // namespace coppice::train::report
