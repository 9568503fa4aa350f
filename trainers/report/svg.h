#pragma once

#include <string>

#include <coppice/trainers/report/markup.h>
#include <coppice/trainers/report/style.h>

namespace coppice::train::report {

/// A coordinate: one decimal where it needs one.
std::string coordinate(double value);

/// The `d` of a path, built move by move.
class Path {
 public:
  explicit Path(int digits = 1) : digits_(digits) {}
  Path& move(double x, double y) { return add('M', x, y); }
  Path& line(double x, double y) { return add('L', x, y); }
  /// A line if there is a point already, else a move.
  Path& to(double x, double y) { return empty() ? move(x, y) : line(x, y); }
  Path& line_by(double dx, double dy) { return add('l', dx, dy); }
  Path& across(double x) { return add('H', x); }
  Path& down(double y) { return add('V', y); }
  Path& across_by(double dx) { return add('h', dx); }
  Path& down_by(double dy) { return add('v', dy); }
  /// Half a circle of that radius to the right (left where negative).
  Path& half_circle(double radius);
  Path& box(double x, double y, double width, double height);
  Path& close();
  bool empty() const { return data_.empty(); }
  const std::string& data() const { return data_; }

 private:
  Path& add(char command, double value);
  Path& add(char command, double x, double y);
  void append(double value);

  int digits_;
  std::string data_;
};

/// Opens an `<svg>` with its title and, unless empty, its description; to be closed.
void open_svg(Markup& page, double width, double height, const std::string& title, const std::string& description);

enum class Anchor { Start, Middle, End };

/// Writes one line of text; `style` is its class, `soft`, `good`, `bad` or empty.
void draw_text(Markup& page, double x, double y, const std::string& text, Anchor anchor = Anchor::Start,
               const char* style = "");

/// Writes a path of class `line`, `fill`, `band`, `hollow`, `grid` or `axis`.
void draw_path(Markup& page, const char* style, const Path& path);

/// Writes a mark at (x, y), with a title for the pointer unless that is empty.
void draw_mark(Markup& page, const Style& style, double x, double y, double radius, const std::string& title);

}  // namespace coppice::train::report
