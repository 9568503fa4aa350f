#include <algorithm>
#include <functional>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/sections.h>

namespace coppice::train::report {
namespace {

using Value = std::function<double(const RunResult&)>;

double per_step(double seconds, const RunResult& run) {
  return 1000.0 * seconds / static_cast<double>(std::max<std::int64_t>(1, run.steps));
}

double mib(std::int64_t bytes) { return static_cast<double>(bytes) / (1024.0 * 1024.0); }

const Cell* dense_of(const Context& context) {
  const auto found = std::ranges::find(context.cells, std::string("dense"), &Cell::method);
  return found == context.cells.end() ? nullptr : &*found;
}

/// Sparsities side by side, dense as a line across.
Chart by_sparsity(const Context& context, const char* title, const char* aside, const char* label) {
  Chart chart{.title = title,
              .aside = aside,
              .description = "One line for each method over the sparsities; the dense network as a line across.",
              .x = {.label = "sparsity (%)", .low = -0.3, .high = static_cast<double>(context.sparsities.size()) - 0.7},
              .y = {.label = label}};
  for (std::size_t i = 0; i < context.sparsities.size(); ++i) {
    chart.x.ticks.push_back({static_cast<double>(i), percent(context.sparsities[i])});
  }
  return chart;
}

double position_of(const Context& context, double sparsity) {
  return static_cast<double>(std::ranges::lower_bound(context.sparsities, sparsity) - context.sparsities.begin());
}

void add_dense(const Context& context, const Value& value, Chart& chart) {
  const Cell* dense = dense_of(context);
  if (!dense) return;
  const double across = dense->mean(value);
  chart.series.push_back(
      series_of(context, "dense", {{.x = chart.x.low, .y = across}, {.x = chart.x.high, .y = across}}));
}

void add_methods(const Context& context, const Value& value, Chart& chart) {
  for (const std::string& name : context.styles.names()) {
    std::vector<Point> points;
    for (const Cell& cell : context.cells) {
      if (cell.method != name || cell.sparsity == 0.0) continue;
      const double mean = cell.mean(value);
      if (mean <= 0.0) continue;
      points.push_back({.x = position_of(context, cell.sparsity),
                        .y = mean,
                        .title = concat(name, ", ", sparsity_name(cell.sparsity), ": ", number(mean))});
    }
    std::ranges::sort(points, {}, &Point::x);
    if (!points.empty()) chart.series.push_back(series_of(context, name, std::move(points), true));
  }
}

Chart value_chart(const Context& context, const char* title, const char* aside, const char* label, const Value& value) {
  Chart chart = by_sparsity(context, title, aside, label);
  add_dense(context, value, chart);
  add_methods(context, value, chart);
  double most = 0.0;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) most = std::max(most, point.y);
  }
  chart.y.high = 1.06 * most;  // from 0, so that heights compare
  return chart;
}

/// `rigl_equal_flops at 98 % (1.77×), 99 % (2.06×); …` where `value` exceeds dense's; empty when it never does.
std::string above_dense(const Context& context, const Value& value) {
  const Cell* dense = dense_of(context);
  std::string list;
  std::string last;
  for (const Cell& cell : context.cells) {
    const double ratio = cell.mean(value) / dense->mean(value);
    if (cell.sparsity == 0.0 || ratio <= 1.0) continue;
    list += list.empty()          ? concat(cell.method, " at ")
            : last == cell.method ? std::string(", ")
                                  : concat("; ", cell.method, " at ");
    list += concat(percent(cell.sparsity), " % (", fixed(ratio, 2), "×)");
    last = cell.method;
  }
  return list;
}

void write_comparison(Markup& page, const Context& context, const char* what, const Value& value) {
  const std::string list = above_dense(context, value);
  page.open("li").element("strong", what).text(": ");
  page.text(list.empty() ? "no row is above dense." : concat("above dense: ", list, ".")).close();
}

}  // namespace

void write_speed(Markup& page, const Context& context) {
  if (context.sparsities.empty() || context.cells.empty()) return;
  const Value cpu_step = [](const RunResult& run) { return per_step(run.cpu_seconds, run); };
  const Value wall_step = [](const RunResult& run) { return per_step(run.seconds, run); };
  const Value seconds = [](const RunResult& run) { return run.cpu_seconds; };
  const Value peak = [](const RunResult& run) { return mib(run.peak_bytes); };
  const Value otherwise = [](const RunResult& run) { return mib(run.exploitation_peak_bytes); };
  page.element("h2", {{"id", "speed"}}, "Does sparse save time and memory? And where not");
  page.element(
      "p", {{"class", "soft"}},
      "Means over seeds on this machine, at this size of network. The line across is the dense network, trained in "
      "the same run. Small matrices and index bookkeeping eat into what fewer weights save; exploration steps are "
      "nearly dense.");
  if (dense_of(context)) {
    page.open("ul");
    write_comparison(page, context, "Processor time of a step", cpu_step);
    write_comparison(page, context, "Wall-clock time of a step", wall_step);
    write_comparison(page, context, "Processor time of a whole training", seconds);
    write_comparison(page, context, "Peak memory", peak);
    page.close();
  }
  draw_legend(page, context.styles, context.styles.names(), true);
  std::vector<Chart> charts = {
      value_chart(context, "Processor time of a step", "mean over the training", "ms", cpu_step),
      value_chart(context, "Wall-clock time of a step", "the machine as it was", "ms", wall_step),
      value_chart(context, "Peak memory", "of the whole training", "MiB", peak)};
  if (std::ranges::any_of(context.comparison.runs,
                          [](const RunResult& run) { return run.exploration_peak_bytes > 0; })) {
    charts.push_back(value_chart(context, "Peak memory outside exploration", "", "MiB", otherwise));
  }
  draw_all(page, charts);
}

}  // namespace coppice::train::report
