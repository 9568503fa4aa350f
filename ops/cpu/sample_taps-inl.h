// Which pixels a point of a grid reads, with which weights, and how these change with the point; once per SIMD target.

#if defined(COPPICE_OPS_CPU_SAMPLE_TAPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_SAMPLE_TAPS_INL_H_
#undef COPPICE_OPS_CPU_SAMPLE_TAPS_INL_H_
#else
#define COPPICE_OPS_CPU_SAMPLE_TAPS_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstdint>

#include <coppice/ops/cpu/grid_sample.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Points whose taps are worked out together.
inline constexpr std::int64_t kTilePoints = 64;
inline constexpr std::size_t kMaxSampleTaps = 16;

template <class T>
struct SampleTaps {
  using Index = hn::TFromD<hn::RebindToSigned<hn::ScalableTag<T>>>;
  HWY_ALIGN Index place[kMaxSampleTaps][kTilePoints];  ///< pixel; −1: none, a zero
  HWY_ALIGN T weight[kMaxSampleTaps][kTilePoints];
  HWY_ALIGN T weight_x[kMaxSampleTaps][kTilePoints];  ///< derivatives of the weights by the point
  HWY_ALIGN T weight_y[kMaxSampleTaps][kTilePoints];
};

inline std::size_t taps_of(SampleMode mode) {
  return mode == SampleMode::Nearest ? 1 : mode == SampleMode::Bilinear ? 4 : 16;
}

template <class T>
struct AxisPlace {
  T at;
  T slope;  ///< by the coordinate in [−1, 1]
};

/// Where a coordinate in [−1, 1] lies among pixels, before padding.
template <class T>
HWY_INLINE T pixel_position(T x, T size, bool align_corners) {
  return align_corners ? (x + T{1}) / T{2} * (size - T{1}) : ((x + T{1}) * size - T{1}) / T{2};
}

/// A NaN becomes 0.
template <class T>
HWY_INLINE AxisPlace<T> clip(AxisPlace<T> p, T size) {
  const T last = size - T{1};
  const bool inside = p.at > T{0} && p.at < last;
  return {p.at > T{0} ? (p.at < last ? p.at : last) : T{0}, inside ? p.slope : T{0}};
}

template <class T>
HWY_INLINE AxisPlace<T> reflect(AxisPlace<T> p, T size, bool align_corners) {
  const T low = align_corners ? T{0} : T(-0.5);
  const T span = align_corners ? size - T{1} : size;
  if (span == T{0}) return {T{0}, T{0}};
  const T from_low = p.at - low;
  const T distance = std::abs(from_low);
  const T sign = from_low < T{0} ? T{-1} : T{1};
  const T flips = std::floor(distance / span);
  const T extra = std::fmod(distance, span);
  const bool even = std::fmod(flips, T{2}) == T{0};
  return clip<T>({even ? extra + low : span - extra + low, even ? sign * p.slope : -sign * p.slope}, size);
}

template <class T>
HWY_INLINE AxisPlace<T> padded(AxisPlace<T> p, T size, SamplePadding padding, bool align_corners) {
  if (padding == SamplePadding::Border) return clip(p, size);
  if (padding == SamplePadding::Reflection) return reflect(p, size, align_corners);
  return p;
}

template <class T>
HWY_INLINE void cubic_weights(T t, T (&weight)[4], T (&slope)[4]) {
  constexpr T kA = T(-0.75);
  const T far[2] = {t + T{1}, T{2} - t};
  const T near[2] = {t, T{1} - t};
  for (int side = 0; side < 2; ++side) {
    const T x = far[side], z = near[side];
    const T sign = side == 0 ? T{1} : T{-1};
    weight[side * 3] = ((kA * x - T{5} * kA) * x + T{8} * kA) * x - T{4} * kA;
    slope[side * 3] = sign * ((T{3} * kA * x - T{10} * kA) * x + T{8} * kA);
    weight[1 + side] = ((kA + T{2}) * z - (kA + T{3})) * z * z + T{1};
    slope[1 + side] = sign * (T{3} * (kA + T{2}) * z - T{2} * (kA + T{3})) * z;
  }
}

/// One axis of the four corners around points, all at once: kept simple, so that it becomes vector code.
template <class T>
struct CornerAxis {
  T lower[kTilePoints], fraction[kTilePoints], slope[kTilePoints];

  template <SamplePadding kPadding>
  HWY_INLINE void place(const SampleGeometry& g, const T* points, T size) {
    const T by_coordinate = (g.align_corners ? size - T{1} : size) / T{2};
    for (std::int64_t p = 0; p < kTilePoints; ++p) {
      AxisPlace<T> at{pixel_position(points[p], size, g.align_corners), by_coordinate};
      at = padded(at, size, kPadding, g.align_corners);
      lower[p] = std::floor(at.at);
      fraction[p] = at.at - lower[p];
      slope[p] = at.slope;
    }
  }
};

template <class T, SamplePadding kPadding>
HWY_NOINLINE void bilinear_taps(const SampleGeometry& g, const T* px, const T* py, SampleTaps<T>& taps) {
  using Index = typename SampleTaps<T>::Index;
  CornerAxis<T> x, y;
  const T width = static_cast<T>(g.width), height = static_cast<T>(g.height);
  const Index columns = static_cast<Index>(g.width);
  x.template place<kPadding>(g, px, width);
  y.template place<kPadding>(g, py, height);
  for (int corner = 0; corner < 4; ++corner) {
    const T right = static_cast<T>(corner & 1), below = static_cast<T>(corner >> 1);
    Index* HWY_RESTRICT place = taps.place[corner];
    for (std::int64_t p = 0; p < kTilePoints; ++p) {
      const T cx = x.lower[p] + right, cy = y.lower[p] + below;
      const bool inside = (cx >= T{0}) & (cx < width) & (cy >= T{0}) & (cy < height);
      const auto column = static_cast<Index>(inside ? cx : T{0}), row = static_cast<Index>(inside ? cy : T{0});
      place[p] = inside ? row * columns + column : Index{-1};
      const T wx = right > T{0} ? x.fraction[p] : T{1} - x.fraction[p];
      const T wy = below > T{0} ? y.fraction[p] : T{1} - y.fraction[p];
      taps.weight[corner][p] = inside ? wx * wy : T{0};
      taps.weight_x[corner][p] = (right > T{0} ? wy : -wy) * x.slope[p];
      taps.weight_y[corner][p] = (below > T{0} ? wx : -wx) * y.slope[p];
    }
  }
}

/// The pixel (x, y), or −1. Comparisons come before the conversion: what lies far outside has no integer.
template <class T>
HWY_INLINE typename SampleTaps<T>::Index pixel_at(const SampleGeometry& g, T x, T y) {
  if (!(x >= T{0} && x < static_cast<T>(g.width) && y >= T{0} && y < static_cast<T>(g.height))) return -1;
  using Index = typename SampleTaps<T>::Index;
  return static_cast<Index>(y) * static_cast<Index>(g.width) + static_cast<Index>(x);
}

template <class T>
void nearest_taps(const SampleGeometry& g, const T* px, const T* py, SampleTaps<T>& taps) {
  const T width = static_cast<T>(g.width), height = static_cast<T>(g.height);
  for (std::int64_t p = 0; p < kTilePoints; ++p) {
    const AxisPlace<T> x{pixel_position(px[p], width, g.align_corners), T{0}};
    const AxisPlace<T> y{pixel_position(py[p], height, g.align_corners), T{0}};
    taps.place[0][p] = pixel_at<T>(g, std::nearbyint(padded(x, width, g.padding, g.align_corners).at),
                                   std::nearbyint(padded(y, height, g.padding, g.align_corners).at));
    taps.weight[0][p] = taps.place[0][p] < 0 ? T{0} : T{1};
    taps.weight_x[0][p] = taps.weight_y[0][p] = T{0};
  }
}

template <class T>
void bicubic_taps(const SampleGeometry& g, const T* px, const T* py, SampleTaps<T>& taps) {
  const T width = static_cast<T>(g.width), height = static_cast<T>(g.height);
  const T slope_x = (g.align_corners ? width - T{1} : width) / T{2};
  const T slope_y = (g.align_corners ? height - T{1} : height) / T{2};
  for (std::int64_t p = 0; p < kTilePoints; ++p) {
    const T x = pixel_position(px[p], width, g.align_corners), y = pixel_position(py[p], height, g.align_corners);
    const T x0 = std::floor(x), y0 = std::floor(y);
    T wx[4], wy[4], dx[4], dy[4];
    cubic_weights(x - x0, wx, dx);
    cubic_weights(y - y0, wy, dy);
    for (int i = 0; i < 16; ++i) {
      const int cx = i % 4, cy = i / 4;
      const T at_x = padded<T>({x0 - T{1} + static_cast<T>(cx), T{0}}, width, g.padding, g.align_corners).at;
      const T at_y = padded<T>({y0 - T{1} + static_cast<T>(cy), T{0}}, height, g.padding, g.align_corners).at;
      taps.place[i][p] = pixel_at<T>(g, at_x, at_y);
      const bool none = taps.place[i][p] < 0;
      taps.weight[i][p] = none ? T{0} : wx[cx] * wy[cy];
      taps.weight_x[i][p] = none ? T{0} : dx[cx] * wy[cy] * slope_x;
      taps.weight_y[i][p] = none ? T{0} : wx[cx] * dy[cy] * slope_y;
    }
  }
}

/// Taps of `count` ≤ kTilePoints points; those of the rest of the tile are valid, too.
template <class T>
void sample_taps(const SampleGeometry& g, const T* grid, std::int64_t count, SampleTaps<T>& taps) {
  HWY_ALIGN T px[kTilePoints];
  HWY_ALIGN T py[kTilePoints];
  for (std::int64_t p = 0; p < count; ++p) {
    px[p] = grid[2 * p];
    py[p] = grid[2 * p + 1];
  }
  std::fill(px + count, px + kTilePoints, T{0});
  std::fill(py + count, py + kTilePoints, T{0});
  if (g.mode == SampleMode::Nearest) return nearest_taps(g, px, py, taps);
  if (g.mode == SampleMode::Bicubic) return bicubic_taps(g, px, py, taps);
  switch (g.padding) {
    case SamplePadding::Zeros: return bilinear_taps<T, SamplePadding::Zeros>(g, px, py, taps);
    case SamplePadding::Border: return bilinear_taps<T, SamplePadding::Border>(g, px, py, taps);
    case SamplePadding::Reflection: return bilinear_taps<T, SamplePadding::Reflection>(g, px, py, taps);
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
