#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <sstream>

#include "bench/report/page.h"

namespace coppice::bench {
namespace {

constexpr double kWidth = 640.0, kHeight = 400.0, kLeft = 60.0, kRight = 150.0, kTop = 24.0, kBottom = 46.0;

/// Positions on two logarithmic axes.
struct Frame {
  double x_low, x_high, y_low, y_high;

  double x(double value) const {
    return kLeft + (kWidth - kLeft - kRight) * std::log(value / x_low) / std::log(x_high / x_low);
  }
  double y(double value) const {
    return kHeight - kBottom - (kHeight - kTop - kBottom) * std::log(value / y_low) / std::log(y_high / y_low);
  }
};

double leading_number(const std::string& text) { return std::strtod(text.c_str(), nullptr); }

std::string escaped(const std::string& text) {
  std::string result;
  for (const char c : text) result += c == '&' ? "&amp;" : c == '<' ? "&lt;" : c == '>' ? "&gt;" : std::string(1, c);
  return result;
}

void label(std::ostream& out, double x, double y, const std::string& text, const char* anchor = "start") {
  out << "<text x='" << x << "' y='" << y << "' text-anchor='" << anchor << "'>" << escaped(text) << "</text>\n";
}

void line(std::ostream& out, const Frame& f, double x1, double y1, double x2, double y2, const char* style) {
  out << "<line x1='" << f.x(x1) << "' y1='" << f.y(y1) << "' x2='" << f.x(x2) << "' y2='" << f.y(y2) << "' " << style
      << "/>\n";
}

void draw_axes(std::ostream& out, const Frame& f) {
  for (double x = f.x_low; x <= f.x_high * 1.001; x *= 4.0) {
    line(out, f, x, f.y_low, x, f.y_high, "stroke='#ddd'");
    std::ostringstream text;
    text << x;
    label(out, f.x(x), kHeight - kBottom + 16.0, text.str(), "middle");
  }
  for (double y = f.y_low; y <= f.y_high * 1.001; y *= 2.0) {
    line(out, f, f.x_low, y, f.x_high, y, "stroke='#ddd'");
    std::ostringstream text;
    text << y;
    label(out, kLeft - 6.0, f.y(y) + 4.0, text.str(), "end");
  }
  label(out, (kLeft + kWidth - kRight) / 2.0, kHeight - 8.0, "FLOP per byte of operands and results", "middle");
  label(out, 8.0, 14.0, "GFLOP/s, one thread");
}

}  // namespace

std::string roofline(const std::map<std::string, GroupResult>& groups, const std::string& isa) {
  double peak = 0.0, l2 = 0.0, dram = 0.0;
  for (const auto& [key, group] : groups) {
    peak = std::max(peak, leading_number(train::measure::condition(group.conditions, "peak.flops")));
    l2 = std::max(l2, leading_number(train::measure::condition(group.conditions, "peak.l2")));
    dram = std::max(dram, leading_number(train::measure::condition(group.conditions, "peak.bandwidth")));
  }
  if (peak <= 0.0) return {};
  const Frame f{0.25, 1024.0, std::exp2(std::floor(std::log2(peak)) - 5.0),
                std::exp2(std::ceil(std::log2(peak * 1.05)))};
  std::ostringstream out;
  out.precision(4);
  out << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << kWidth << ' ' << kHeight
      << "' font-family='sans-serif' font-size='11' fill='#333'>\n<title>Roofline, " << isa
      << "</title>\n<rect width='100%' height='100%' fill='#fff'/>\n";
  draw_axes(out, f);
  for (const auto& [rate, name] : {std::pair{dram, "DRAM"}, {l2, "L2"}}) {
    if (rate <= 0.0) continue;
    const double from = std::max(f.x_low, f.y_low / rate), knee = peak / rate;
    line(out, f, from, from * rate, knee, peak, "stroke='#06c' stroke-width='1.5'");
    label(out, f.x(knee) - 8.0, f.y(peak) - 5.0, name, "end");
  }
  line(out, f, peak / std::max(l2, dram), peak, f.x_high, peak, "stroke='#c30' stroke-width='1.5'");
  std::ostringstream top;
  top << "peak " << peak << " GFLOP/s";
  label(out, kWidth - kRight + 6.0, f.y(peak) + 4.0, top.str());
  constexpr const char* kColours[] = {"#1b7f5c", "#b35900", "#6a4bb0", "#888"};
  std::size_t colour = 0;
  double legend = f.y(peak) + 26.0;
  for (const auto& [key, group] : groups) {
    bool any = false;
    for (const Row& row : group.rows) {
      if (!row.measured() || row.flops <= 0.0 || row.bytes <= 0.0 || row.threads != 1) continue;
      const double x = std::clamp(row.flops / row.bytes, f.x_low, f.x_high);
      const double speed = row.flops / row.ours * 1e-9;
      out << "<circle cx='" << f.x(x) << "' cy='" << f.y(std::clamp(speed, f.y_low, f.y_high)) << "' r='3.5' fill='"
          << kColours[colour % 4] << "' fill-opacity='0.7'><title>" << escaped(row.what) << ": " << speed
          << " GFLOP/s</title></circle>\n";
      any = true;
    }
    if (!any) continue;
    out << "<circle cx='" << kWidth - kRight + 12.0 << "' cy='" << legend - 4.0 << "' r='3.5' fill='"
        << kColours[colour % 4] << "'/>\n";
    label(out, kWidth - kRight + 20.0, legend, key);
    legend += 16.0;
    ++colour;
  }
  out << "</svg>\n";
  return out.str();
}

}  // namespace coppice::bench
