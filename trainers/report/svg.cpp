#include <coppice/trainers/report/svg.h>

#include <cmath>

#include <coppice/trainers/report/format.h>

namespace coppice::train::report {
namespace {

Path mark_path(int marker, double x, double y, double r) {
  Path path;
  switch (marker) {
    case 0: return path.move(x - r, y).half_circle(r).half_circle(-r).close();
    case 1: return path.box(x - r, y - r, 2.0 * r, 2.0 * r);
    case 2: return path.move(x, y - 1.3 * r).line_by(1.2 * r, 2.2 * r).across_by(-2.4 * r).close();
    case 3:
      return path.move(x, y - 1.4 * r)
          .line_by(1.4 * r, 1.4 * r)
          .line_by(-1.4 * r, 1.4 * r)
          .line_by(-1.4 * r, -1.4 * r)
          .close();
    default: return path.move(x, y + 1.3 * r).line_by(1.2 * r, -2.2 * r).across_by(-2.4 * r).close();
  }
}

}  // namespace

std::string coordinate(double value) {
  std::string text = fixed(value, 1);
  if (text.ends_with(".0")) text.resize(text.size() - 2);
  return text;
}

void Path::append(double value) {
  std::string text = fixed(value, digits_);
  while (digits_ > 0 && text.back() == '0') text.pop_back();
  if (text.back() == '.') text.pop_back();
  data_ += text;
}

Path& Path::add(char command, double value) {
  data_ += command;
  append(value);
  return *this;
}

Path& Path::add(char command, double x, double y) {
  add(command, x);
  data_ += ' ';
  append(y);
  return *this;
}

Path& Path::half_circle(double radius) {
  add('a', std::abs(radius), std::abs(radius));
  data_ += " 0 1 1 ";
  append(2.0 * radius);
  data_ += " 0";
  return *this;
}

Path& Path::box(double x, double y, double width, double height) {
  return move(x, y).across_by(width).down_by(height).across_by(-width).close();
}

Path& Path::close() {
  data_ += 'z';
  return *this;
}

void open_svg(Markup& page, double width, double height, const std::string& title, const std::string& description) {
  page.open("svg", {{"viewBox", concat("0 0 ", coordinate(width), " ", coordinate(height))}, {"role", "img"}});
  page.element("title", title);
  if (!description.empty()) page.element("desc", description);
}

void draw_text(Markup& page, double x, double y, const std::string& text, Anchor anchor, const char* style) {
  const char* name = anchor == Anchor::Start ? "start" : anchor == Anchor::Middle ? "middle" : "end";
  page.element("text", {{"class", style}, {"x", coordinate(x)}, {"y", coordinate(y)}, {"text-anchor", name}}, text);
}

void draw_path(Markup& page, const char* style, const Path& path) {
  page.leaf("path", {{"class", style}, {"d", path.data()}});
}

void draw_mark(Markup& page, const Style& style, double x, double y, double radius, const std::string& title) {
  const Path path = mark_path(style.marker, x, y, radius);
  page.open("path", {{"class", "fill"}, {"d", path.data()}});
  if (!title.empty()) page.element("title", title);
  page.close();
}

}  // namespace coppice::train::report
