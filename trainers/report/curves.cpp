#include <algorithm>
#include <functional>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

constexpr double kLogFrom = 3.0;  // where the longest training has this many times the steps of the shortest

/// A number of a row that accuracy is drawn against; 0 where it is unknown.
struct Cost {
  const char* title;
  const char* aside;
  const char* axis;
  std::function<double(const ResultRow&)> value;
};

Chart cost_chart(const Context& context, const Cost& cost) {
  Chart chart{.title = cost.title,
              .aside = cost.aside,
              .description = "One line for each method, one mark for each sparsity; the smaller the mark, the sparser.",
              .x = {.label = cost.axis, .stretch = Stretch::Log},
              .y = {.label = "test accuracy (%)", .stretch = Stretch::Error, .as_percent = true}};
  for (const std::string& name : context.styles.names()) {
    std::vector<const ResultRow*> rows;
    for (const ResultRow& row : context.comparison.rows) {
      if (label_of(row) == name && cost.value(row) > 0.0) rows.push_back(&row);
    }
    std::ranges::sort(rows, {}, &ResultRow::sparsity);
    std::vector<Point> points;
    for (const ResultRow* row : rows) {
      const auto rank = std::ranges::lower_bound(context.sparsities, row->sparsity) - context.sparsities.begin();
      points.push_back({.x = cost.value(*row),
                        .y = row->accuracy,
                        .title = concat(name, ", ", sparsity_name(row->sparsity), ": ", fixed(100.0 * row->accuracy, 2),
                                        " %, ", cost.axis, " ", number(cost.value(*row))),
                        .radius = std::max(2.2, 5.2 - 0.9 * static_cast<double>(rank))});
    }
    if (!points.empty()) chart.series.push_back(series_of(context, name, std::move(points), true));
  }
  return chart;
}

std::vector<Sample> learning_curve(const RunResult& run) {
  std::vector<Sample> curve;
  for (const EpochRecord& record : run.records) {
    if (!record.validation) continue;
    const auto step = static_cast<double>(record.step);
    curve.push_back({step / static_cast<double>(run.steps), step, record.validation->accuracy});
  }
  return curve;
}

/// Dense runs are shown beside every sparsity.
std::vector<Cell> with_dense(const Context& context, double sparsity) {
  std::vector<Cell> cells = at_sparsity(context.cells, 0.0);
  const std::vector<Cell> sparse = at_sparsity(context.cells, sparsity);
  cells.insert(cells.end(), sparse.begin(), sparse.end());
  return cells;
}

}  // namespace

Series series_of(const Context& context, const std::string& name, std::vector<Point> points, bool marks) {
  return {.name = name, .style = context.styles(name), .points = std::move(points), .marks = marks};
}

void write_costs(Markup& page, const Context& context) {
  const std::vector<Cost> costs = {
      {"Against training FLOPs", "of the dense training", "training FLOPs, dense = 1",
       [](const ResultRow& row) { return row.train_flops_ratio; }},
      {"Against processor seconds", "one training", "processor seconds",
       [](const ResultRow& row) { return row.cpu_seconds; }},
      {"Against peak memory", "tensors of one training", "MiB",
       [](const ResultRow& row) { return static_cast<double>(row.peak_bytes) / (1024.0 * 1024.0); }},
  };
  page.element("h2", {{"id", "costs"}}, "Accuracy against what it costs");
  page.element(
      "p", {{"class", "soft"}},
      "Up and to the left is better. Each mark is a method at a sparsity (mean over seeds): the smaller the mark, "
      "the sparser. Cost is on a logarithmic axis; accuracy is spread out towards 100 % so that equal distances "
      "are equal factors of the error.");
  draw_legend(page, context.styles, context.styles.names(), true);
  std::vector<Chart> charts;
  for (const Cost& cost : costs) {
    Chart chart = cost_chart(context, cost);
    if (!chart.series.empty()) charts.push_back(std::move(chart));
  }
  draw_all(page, charts);
}

void write_learning(Markup& page, const Context& context) {
  std::vector<Chart> charts;
  std::vector<std::string> shown;
  for (const double sparsity : context.sparsities) {
    Chart chart{.title = sparsity_name(sparsity),
                .description =
                    "Validation accuracy over training steps, one line for each method, with a band of one "
                    "standard deviation over seeds.",
                .x = {.label = "steps"},
                .y = {.label = "validation accuracy (%)", .stretch = Stretch::Error, .as_percent = true}};
    double shortest = 0.0;
    double longest = 0.0;
    for (const Cell& cell : with_dense(context, sparsity)) {
      std::vector<Point> points = averaged(cell, learning_curve);
      if (points.empty()) continue;
      shortest = shortest == 0.0 ? points.back().x : std::min(shortest, points.back().x);
      longest = std::max(longest, points.back().x);
      chart.series.push_back(series_of(context, cell.method, std::move(points)));
      if (std::ranges::find(shown, cell.method) == shown.end()) shown.push_back(cell.method);
    }
    if (longest > kLogFrom * shortest) chart.x = {.label = "steps (logarithmic)", .stretch = Stretch::Log};
    if (!chart.series.empty()) charts.push_back(std::move(chart));
  }
  if (charts.empty()) return;
  page.element("h2", {{"id", "learning"}}, "How they learn");
  page.element(
      "p", {{"class", "soft"}},
      "Accuracy on the validation images during training: the mean over seeds as a line, one standard deviation "
      "to either side as a band. Nothing is measured while a method explores, so its line has gaps bridged there.");
  draw_legend(page, context.styles, shown, false);
  draw_all(page, charts);
}

}  // namespace coppice::train::report
