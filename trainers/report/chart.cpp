#include <coppice/trainers/report/chart.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include <coppice/trainers/report/format.h>

namespace coppice::train::report {
namespace {

constexpr double kWidth = 360.0;
constexpr double kHeight = 250.0;
constexpr double kLeft = 44.0;
constexpr double kRight = 342.0;
constexpr double kTop = 24.0;
constexpr double kBottom = 210.0;
constexpr double kCharacter = 6.3;  // a digit's width at 11 units
constexpr double kLineHeight = 15.0;
constexpr double kPadding = 0.04;  // of the range, on either side

/// The part of [low, high] that data takes, made wider by a little.
struct Range {
  double low = std::numeric_limits<double>::infinity();
  double high = -std::numeric_limits<double>::infinity();

  void add(double value) {
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

void draw_line(Markup& page, const Style& style, const Path& path) {
  page.leaf("path", {{"class", "line"}, {"d", path.data()}, {"stroke-dasharray", dash_pattern(style.dash)}});
}

double error_of(double value) { return std::max(1e-4, 1.0 - value); }

Range padded(Range range, Stretch stretch) {
  if (!(range.low <= range.high)) return {0.0, 1.0};
  if (stretch == Stretch::Linear) {
    const double pad = range.high > range.low ? kPadding * (range.high - range.low) : 0.5;
    return {range.low - pad, range.high + pad};
  }
  const bool error = stretch == Stretch::Error;
  const double low = error ? error_of(range.high) : range.low;
  const double high = error ? error_of(range.low) : range.high;
  const double pad = high > low ? std::pow(high / low, kPadding) : 1.2;
  return error ? Range{1.0 - std::min(1.0, high * pad), 1.0 - low / pad} : Range{low / pad, high * pad};
}

Range range_of(const Chart& chart, const Axis& axis, bool upright) {
  if (axis.low < axis.high) return {axis.low, axis.high};
  Range range;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) {
      if (!upright) {
        range.add(point.x);
        continue;
      }
      const bool error = axis.stretch == Stretch::Error;
      const double room = error ? 0.5 * (1.0 - point.y) : point.spread;  // such an axis has no end above
      range.add(point.y + std::min(point.spread, room));
      range.add(error ? std::max(0.0, point.y - point.spread) : point.y - point.spread);
    }
  }
  return padded(range, axis.stretch);
}

void draw_axes(Markup& page, const Chart& chart, const Scale& x, const Scale& y) {
  for (const Tick& tick : readable_ticks(chart.y, y, true)) {
    const double at = y(tick.value);
    draw_path(page, "grid", Path().move(kLeft, at).across(kRight));
    draw_text(page, kLeft - 5.0, at + 4.0, tick.label, Anchor::End, "soft");
  }
  for (const Tick& tick : readable_ticks(chart.x, x, false)) {
    const double at = x(tick.value);
    draw_path(page, "axis", Path().move(at, kBottom).down_by(4.0));
    draw_text(page, at, kBottom + 17.0, tick.label, Anchor::Middle, "soft");
  }
  draw_path(page, "axis", Path().move(kLeft, kBottom).across(kRight));
  draw_text(page, 2.0, 12.0, chart.y.label);
  draw_text(page, 0.5 * (kLeft + kRight), kHeight - 5.0, chart.x.label, Anchor::Middle);
}

void draw_band(Markup& page, const Series& series, const Scale& x, const Scale& y, const Range& shown) {
  const bool any = std::ranges::any_of(series.points, [](const Point& point) { return point.spread > 0.0; });
  if (!any) return;
  Path path;
  const auto corner = [&](const Point& point, double sign) {
    path.to(x(point.x), y(std::clamp(point.y + sign * point.spread, shown.low, shown.high)));
  };
  for (const Point& point : series.points) corner(point, 1.0);
  for (auto point = series.points.rbegin(); point != series.points.rend(); ++point) corner(*point, -1.0);
  draw_path(page, "band", path.close());
}

void draw_series(Markup& page, const Series& series, const Scale& x, const Scale& y, const Range& shown) {
  page.open("g", {{"class", colour_class(series.style)}}).element("title", series.name);
  draw_band(page, series, x, y, shown);
  const auto height = [&](const Point& point) { return y(std::clamp(point.y, shown.low, shown.high)); };
  Path path;
  for (const Point& point : series.points) path.to(x(point.x), height(point));
  if (series.points.size() > 1) draw_line(page, series.style, path);
  if (series.marks || series.points.size() == 1) {
    for (const Point& point : series.points) {
      draw_mark(page, series.style, x(point.x), height(point), point.radius, point.title);
    }
  }
  page.close();
}

}  // namespace

std::vector<Tick> readable_ticks(const Axis& axis, const Scale& scale, bool upright) {
  if (!axis.ticks.empty()) return axis.ticks;
  for (int most = upright ? 7 : 8; most > 1; --most) {
    std::vector<Tick> ticks;
    for (const double value : scale.ticks(most))
      ticks.push_back({value, axis.as_percent ? percent(value) : number(value)});
    std::ranges::sort(ticks, {}, &Tick::value);
    bool apart = true;
    for (std::size_t i = 1; i < ticks.size(); ++i) {
      const double distance = std::abs(scale(ticks[i].value) - scale(ticks[i - 1].value));
      const auto characters = static_cast<double>(ticks[i].label.size() + ticks[i - 1].label.size());
      apart = apart && distance >= (upright ? kLineHeight : 0.5 * kCharacter * characters + 8.0);
    }
    if (apart) return ticks;
  }
  return {};
}

void draw(Markup& page, const Chart& chart) {
  const Range x_range = range_of(chart, chart.x, false);
  const Range y_range = range_of(chart, chart.y, true);
  const Scale x(chart.x.stretch, x_range.low, x_range.high, kLeft, kRight);
  const Scale y(chart.y.stretch, y_range.low, y_range.high, kBottom, kTop);
  page.open("figure").open("figcaption").text(chart.title);
  if (!chart.aside.empty()) page.text(" ").element("span", {{"class", "soft"}}, chart.aside);
  page.close();
  open_svg(page, kWidth, kHeight, concat(chart.title, ": ", chart.y.label, " over ", chart.x.label), chart.description);
  draw_axes(page, chart, x, y);
  for (const Series& series : chart.series) {
    if (!series.points.empty()) draw_series(page, series, x, y, y_range);
  }
  page.close().close();
}

void draw_all(Markup& page, const std::vector<Chart>& charts) {
  page.open("div", {{"class", grid_class(charts.size())}});
  for (const Chart& chart : charts) draw(page, chart);
  page.close();
}

const char* grid_class(std::size_t figures) { return figures % 3 == 0 || figures == 5 ? "charts" : "charts two"; }

void draw_legend(Markup& page, const Styles& styles, const std::vector<std::string>& names, bool marks) {
  page.open("ul", {{"class", "legend"}});
  for (const std::string& name : names) {
    const Style style = styles(name);
    page.open("li").open("svg", {{"viewBox", "0 0 34 12"}, {"aria-hidden", "true"}});
    page.open("g", {{"class", colour_class(style)}});
    draw_line(page, style, Path().move(1.0, 6.0).across(33.0));
    if (marks) draw_mark(page, style, 17.0, 6.0, 3.5, "");
    page.close().close().text(name).close();
  }
  page.close();
}

}  // namespace coppice::train::report
