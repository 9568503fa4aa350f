#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Displacements (i, j) · step with −reach ≤ i, j ≤ reach between two images (batch, channels, height, width).
struct LocalGeometry {
  std::int64_t batch, channels, height, width, reach, step;

  std::int64_t side() const { return 2 * reach + 1; }
  std::int64_t displacements() const { return side() * side(); }
  std::int64_t margin() const { return reach * step; }
};

/// costs (batch, displacements, height, width): at p and displacement d the mean over channels of a(p) · b(p + d).
template <class T>
void local_costs(const LocalGeometry& geometry, const T* a, const T* b, T* costs);

enum class Towards : bool { First, Second };

/// The transposed maps: at p the sum over d of costs(d, p) · b(p + d) towards the second image, or of costs(d, p − d) ·
/// a(p − d) towards the first, over the number of channels.
template <class T>
void local_weighted(const LocalGeometry& geometry, Towards towards, const T* costs, const T* image, T* out);

}  // namespace coppice::cpu
