#pragma once

#include <span>
#include <vector>

namespace coppice::train::detail {

struct Point {
  double x = 0.0;
  double y = 0.0;
};

/// One pull of the pen through its joints: along straight lines, or along a smooth curve.
struct Stroke {
  bool curved = false;
  std::vector<Point> joints;
};

/// One way to write a digit. x runs right and y down; the glyph is one unit high.
using Glyph = std::vector<Stroke>;

/// The ways to write `digit` (0-9).
std::span<const Glyph> glyphs(int digit);

}  // namespace coppice::train::detail
