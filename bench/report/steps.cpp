#include "bench/report/steps.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <iterator>
#include <sstream>
#include <vector>

namespace coppice::bench {
namespace {

constexpr double kWidth = 680.0, kHeight = 360.0, kLeft = 56.0, kRight = 230.0, kTop = 28.0, kBottom = 44.0;
constexpr double kLow = 0.5;  // of the ratios shown
constexpr const char* kColours[] = {"#1b7f5c", "#b35900", "#6a4bb0"};

std::string percent(double sparsity) {
  char text[16];
  std::snprintf(text, sizeof(text), "%.3g %%", 100.0 * sparsity);
  return text;
}

double x_of(std::size_t index) {
  return kLeft +
         (kWidth - kLeft - kRight) * static_cast<double>(index) / static_cast<double>(std::size(kStepSparsities) - 1);
}
/// On an axis that ends at `high`.
double y_of(double ratio, double high) {
  const double place = std::log(std::max(ratio, kLow) / kLow) / std::log(high / kLow);
  return kHeight - kBottom - (kHeight - kTop - kBottom) * place;
}

const Row* find(const GroupResult& steps, const std::string& what) {
  for (const Row& row : steps.rows) {
    if (row.what == what && row.threads == 1 && row.measured() && row.ratio.value > 0.0) return &row;
  }
  return nullptr;
}

/// Networks in the order of their rows.
std::vector<std::string> networks_of(const GroupResult& steps) {
  std::vector<std::string> names;
  for (const Row& row : steps.rows) {
    const std::string name = row.what.substr(0, row.what.find(','));
    if (std::ranges::find(names, name) == names.end()) names.push_back(name);
  }
  return names;
}

}  // namespace

std::string step_row_name(const std::string& network, const std::string& masks, double sparsity) {
  std::string name = network;
  name += ", ";
  name += masks;
  if (sparsity > 0.0) {
    name += ", ";
    name += percent(sparsity);
  }
  return name;
}

std::string step_picture(const GroupResult& steps) {
  std::ostringstream lines;
  lines.precision(5);
  bool any = false;
  double legend = kTop + 12.0;
  const std::vector<std::string> networks = networks_of(steps);
  double high = 2.0;
  for (const Row& row : steps.rows) {
    while (row.threads == 1 && row.measured() && row.ratio.value > high) high *= 2.0;
  }
  for (std::size_t n = 0; n < networks.size(); ++n) {
    for (const char* masks : {"ERK", "uniform"}) {
      const bool dashed = std::string(masks) == "uniform";
      std::ostringstream points;
      for (std::size_t i = 0; i < std::size(kStepSparsities); ++i) {
        const double sparsity = kStepSparsities[i];
        const Row* const row = find(steps, step_row_name(networks[n], sparsity == 0.0 ? "dense" : masks, sparsity));
        if (row == nullptr) continue;
        points << x_of(i) << ',' << y_of(row->ratio.value, high) << ' ';
        lines << "<circle cx='" << x_of(i) << "' cy='" << y_of(row->ratio.value, high) << "' r='3' fill='"
              << kColours[n % 3] << "'><title>" << row->what << ": " << row->ratio.value << "</title></circle>\n";
        any = true;
      }
      const std::string style = std::string("fill='none' stroke='") + kColours[n % 3] + "' stroke-width='1.5'" +
                                (dashed ? " stroke-dasharray='5 3'" : "");
      lines << "<polyline points='" << points.str() << "' " << style << "/>\n<polyline points='"
            << kWidth - kRight + 14.0 << ',' << legend - 4.0 << ' ' << kWidth - kRight + 38.0 << ',' << legend - 4.0
            << "' " << style << "/>\n<text x='" << kWidth - kRight + 44.0 << "' y='" << legend << "'>" << networks[n]
            << ", " << masks << "</text>\n";
      legend += 16.0;
    }
  }
  if (!any) return {};
  std::ostringstream out;
  out << "<svg xmlns='http://www.w3.org/2000/svg' viewBox='0 0 " << kWidth << ' ' << kHeight
      << "' font-family='sans-serif' font-size='11' fill='#333'>\n<title>Training steps per second over PyTorch's "
         "dense ones</title>\n<rect width='100%' height='100%' fill='#fff'/>\n";
  for (double ratio = kLow; ratio <= high; ratio *= 2.0) {
    out << "<line x1='" << kLeft << "' x2='" << kWidth - kRight << "' y1='" << y_of(ratio, high) << "' y2='"
        << y_of(ratio, high) << "' stroke='" << (ratio == 1.0 ? "#888" : "#ddd") << "'/>\n<text x='" << kLeft - 6.0
        << "' y='" << y_of(ratio, high) + 4.0 << "' text-anchor='end'>" << ratio << "</text>\n";
  }
  for (std::size_t i = 0; i < std::size(kStepSparsities); ++i) {
    out << "<text x='" << x_of(i) << "' y='" << kHeight - kBottom + 16.0 << "' text-anchor='middle'>"
        << percent(kStepSparsities[i]) << "</text>\n";
  }
  out << "<text x='" << (kLeft + kWidth - kRight) / 2.0 << "' y='" << kHeight - 8.0
      << "' text-anchor='middle'>sparsity</text>\n<text x='8' y='14'>training steps per second over PyTorch's dense "
         "ones, "
         "one thread</text>\n"
      << lines.str() << "</svg>\n";
  return out.str();
}

}  // namespace coppice::bench
