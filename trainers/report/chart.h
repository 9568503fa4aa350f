#pragma once

#include <string>
#include <vector>

#include <coppice/trainers/report/markup.h>
#include <coppice/trainers/report/scale.h>
#include <coppice/trainers/report/style.h>
#include <coppice/trainers/report/svg.h>

namespace coppice::train::report {

/// One direction of a chart.
struct Axis {
  std::string label{};
  Stretch stretch = Stretch::Linear;
  bool as_percent = false;  ///< tick labels of fractions
  double low = 0.0;         ///< low = high: from the data
  double high = 0.0;
  std::vector<Tick> ticks{};  ///< instead of round values
};

struct Point {
  double x = 0.0;
  double y = 0.0;
  double spread = 0.0;  ///< standard deviation of y
  std::string title{};  ///< shown where the pointer rests on the point's mark
  double radius = 3.5;  ///< of the mark
};

struct Series {
  std::string name{};
  Style style{};
  std::vector<Point> points{};
  bool marks = false;
};

/// Lines over two axes, with a band of ± one spread where there is one.
struct Chart {
  std::string title{};
  std::string aside{};        ///< after the title, in a softer voice
  std::string description{};  ///< what it shows, for those who do not see it
  Axis x{};
  Axis y{};
  std::vector<Series> series{};
};

/// Writes a chart as a figure, 360 units wide.
void draw(Markup& page, const Chart& chart);

/// Writes charts side by side, as many as there is room for.
void draw_all(Markup& page, const std::vector<Chart>& charts);
/// The class of an element whose children are that many figures: three or two to a row on a wide page.
const char* grid_class(std::size_t figures);

/// Writes which style is which name's.
void draw_legend(Markup& page, const Styles& styles, const std::vector<std::string>& names, bool marks);

/// Ticks at round values with labels that do not overlap; `upright` for a y axis.
std::vector<Tick> readable_ticks(const Axis& axis, const Scale& scale, bool upright);

}  // namespace coppice::train::report
