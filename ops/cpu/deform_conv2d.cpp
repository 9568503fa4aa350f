// What the taps of a deformable convolution read, and its gradients.
//
// Mapping       The channels of a pixel lie side by side: a tap's place and its four weights are worked out once for
// all
//               channels of an offset group, and a column is four runs of vectors blended into one. Columns are made
//               for a few hundred output pixels at a time, multiplied while they are in L2, and made again in backward.
// Work          4 · taps · channels FMAs an output pixel forward, 12 backward, beside the matrix products.
// Bound         the matrix products; loads from L2 here.
// Deterministic yes: gradients of offsets and masks belong to one output pixel; pixels' are summed in order of output
//               pixels, threads share out channels.
// Measure       coppice-bench --benchmark_filter=deform

#include <coppice/ops/cpu/deform_conv2d.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/deform_conv2d.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cmath>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/simd-inl.h>

#ifndef COPPICE_OPS_CPU_DEFORM_CONV2D_ONCE
#define COPPICE_OPS_CPU_DEFORM_CONV2D_ONCE
namespace coppice::cpu {
namespace {

/// The kernels of one element type.
template <class T>
struct DeformKernels {
  void (*columns)(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                  const T* mask, T* columns);
  void (*gradient)(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                   const T* mask, const T* d_columns, T* d_pixels, T* d_offset, T* d_mask);
  void (*transpose)(std::int64_t rows, std::int64_t columns, const T* from, T* to);
};

}  // namespace
}  // namespace coppice::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class T>
using Tag = hn::ScalableTag<T>;
template <class T>
inline constexpr std::int64_t kLanesOf = static_cast<std::int64_t>(hn::MaxLanes(Tag<T>()));

/// The four pixels around a point: offsets of their channels, weights (0 where there is no pixel) and how these change.
template <class T>
struct Corners {
  std::int64_t at[4];
  T weight[4], by_x[4], by_y[4];
  bool any;
};

template <class T>
HWY_INLINE Corners<T> corners_of(const DeformGeometry& g, T y, T x) {
  Corners<T> c{};
  const T height = static_cast<T>(g.height), width = static_cast<T>(g.width);
  c.any = y > T{-1} && y < height && x > T{-1} && x < width;  // a NaN is nowhere
  if (!c.any) return c;
  const T top = std::floor(y), left = std::floor(x);
  const T below = y - top, right = x - left;
  const auto row = static_cast<std::int64_t>(top), column = static_cast<std::int64_t>(left);
  for (int k = 0; k < 4; ++k) {
    const std::int64_t r = row + k / 2, s = column + k % 2;
    if (r < 0 || r >= g.height || s < 0 || s >= g.width) continue;
    const T wy = k / 2 == 0 ? T{1} - below : below, wx = k % 2 == 0 ? T{1} - right : right;
    c.at[k] = (r * g.width + s) * g.channels;
    c.weight[k] = wy * wx;
    c.by_x[k] = k % 2 == 0 ? -wy : wy;
    c.by_y[k] = k / 2 == 0 ? -wx : wx;
  }
  return c;
}

/// A tap of an output pixel in an offset group.
template <class T>
struct Tap {
  std::int64_t y_offset, x_offset, mask;  ///< where these lie
  T scale;                                ///< of what is read
  Corners<T> corners;
};

template <class T>
HWY_INLINE Tap<T> tap_of(const DeformGeometry& g, std::int64_t pixel, std::int64_t group, std::int64_t tap,
                         const T* offset, const T* mask) {
  const std::int64_t entry = group * g.taps() + tap;
  Tap<T> t{.y_offset = 2 * entry * g.out_pixels() + pixel,
           .x_offset = (2 * entry + 1) * g.out_pixels() + pixel,
           .mask = entry * g.out_pixels() + pixel,
           .scale = T{1},
           .corners = {}};
  const std::int64_t y = pixel / g.out_width * g.stride[0] - g.padding[0] + tap / g.kernel_width * g.dilation[0];
  const std::int64_t x = pixel % g.out_width * g.stride[1] - g.padding[1] + tap % g.kernel_width * g.dilation[1];
  t.corners = corners_of(g, static_cast<T>(y) + offset[t.y_offset], static_cast<T>(x) + offset[t.x_offset]);
  if (mask != nullptr) t.scale = mask[t.mask];
  return t;
}

/// to (count) = Σ weights · from (count).
template <class T>
HWY_INLINE void blend(const T* const (&from)[4], const T (&weight)[4], std::int64_t count, T* HWY_RESTRICT to) {
  const Tag<T> d;
  const auto w0 = hn::Set(d, weight[0]), w1 = hn::Set(d, weight[1]);
  const auto w2 = hn::Set(d, weight[2]), w3 = hn::Set(d, weight[3]);
  std::int64_t c = 0;
  for (; c + kLanesOf<T> <= count; c += kLanesOf<T>) {
    auto sum = hn::Mul(w0, hn::LoadU(d, from[0] + c));
    sum = hn::MulAdd(w1, hn::LoadU(d, from[1] + c), sum);
    sum = hn::MulAdd(w2, hn::LoadU(d, from[2] + c), sum);
    sum = hn::MulAdd(w3, hn::LoadU(d, from[3] + c), sum);
    hn::StoreU(sum, d, to + c);
  }
  for (; c < count; ++c) {
    to[c] = weight[0] * from[0][c] + weight[1] * from[1][c] + weight[2] * from[2][c] + weight[3] * from[3][c];
  }
}

template <class T>
void columns_of(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                const T* mask, T* columns) {
  const std::int64_t channels = g.channels / g.offset_groups;
  const std::int64_t taps = g.taps();
  parallel_for(first, last, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      T* column = columns + (pixel - first) * taps * g.channels;
      for (std::int64_t group = 0; group < g.offset_groups; ++group) {
        for (std::int64_t tap = 0; tap < taps; ++tap) {
          Tap<T> t = tap_of(g, pixel, group, tap, offset, mask);
          T* to = column + tap * g.channels + group * channels;
          if (!t.corners.any) {
            std::fill_n(to, channels, T{0});
            continue;
          }
          const T* from[4];
          for (int k = 0; k < 4; ++k) {
            from[k] = pixels + t.corners.at[k] + group * channels;
            t.corners.weight[k] *= t.scale;
          }
          blend(from, t.corners.weight, channels, to);
        }
      }
    }
  });
}

/// Dot products of `left` with four runs.
template <class T>
HWY_INLINE void dot_corners(const T* HWY_RESTRICT left, const T* const (&from)[4], std::int64_t count, T (&dot)[4]) {
  const Tag<T> d;
  auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
  std::int64_t c = 0;
  for (; c + kLanesOf<T> <= count; c += kLanesOf<T>) {
    const auto l = hn::LoadU(d, left + c);
    s0 = hn::MulAdd(l, hn::LoadU(d, from[0] + c), s0);
    s1 = hn::MulAdd(l, hn::LoadU(d, from[1] + c), s1);
    s2 = hn::MulAdd(l, hn::LoadU(d, from[2] + c), s2);
    s3 = hn::MulAdd(l, hn::LoadU(d, from[3] + c), s3);
  }
  dot[0] = hn::GetLane(hn::SumOfLanes(d, s0));
  dot[1] = hn::GetLane(hn::SumOfLanes(d, s1));
  dot[2] = hn::GetLane(hn::SumOfLanes(d, s2));
  dot[3] = hn::GetLane(hn::SumOfLanes(d, s3));
  for (; c < count; ++c) {
    for (int k = 0; k < 4; ++k) dot[k] += left[c] * from[k][c];
  }
}

/// Gradients by offset and mask, which belong to one output pixel.
template <class T>
void place_gradients(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                     const T* mask, const T* d_columns, T* d_offset, T* d_mask) {
  const std::int64_t channels = g.channels / g.offset_groups;
  parallel_for(first, last, 16, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t pixel = begin; pixel < end; ++pixel) {
      for (std::int64_t group = 0; group < g.offset_groups; ++group) {
        for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
          const Tap<T> t = tap_of(g, pixel, group, tap, offset, mask);
          T value{0}, by_x{0}, by_y{0};
          if (t.corners.any) {
            const T* from[4];
            T dot[4];
            for (int k = 0; k < 4; ++k) from[k] = pixels + t.corners.at[k] + group * channels;
            dot_corners(d_columns + ((pixel - first) * g.taps() + tap) * g.channels + group * channels, from, channels,
                        dot);
            for (int k = 0; k < 4; ++k) {
              value += t.corners.weight[k] * dot[k];
              by_x += t.corners.by_x[k] * dot[k];
              by_y += t.corners.by_y[k] * dot[k];
            }
          }
          if (d_mask != nullptr) d_mask[t.mask] = value;
          if (d_offset == nullptr) continue;
          d_offset[t.y_offset] = t.scale * by_y;
          d_offset[t.x_offset] = t.scale * by_x;
        }
      }
    }
  });
}

/// d_pixels of the channels [first_channel, last_channel) of one offset group.
template <class T>
void scatter_columns(const DeformGeometry& g, std::int64_t first, std::int64_t last, std::int64_t group,
                     std::int64_t first_channel, std::int64_t last_channel, const T* offset, const T* mask,
                     const T* d_columns, T* d_pixels) {
  const Tag<T> d;
  for (std::int64_t pixel = first; pixel < last; ++pixel) {
    for (std::int64_t tap = 0; tap < g.taps(); ++tap) {
      const Tap<T> t = tap_of(g, pixel, group, tap, offset, mask);
      if (!t.corners.any) continue;
      const T* HWY_RESTRICT from = d_columns + ((pixel - first) * g.taps() + tap) * g.channels;
      for (int k = 0; k < 4; ++k) {
        const T weight = t.corners.weight[k] * t.scale;
        if (weight == T{0}) continue;
        T* HWY_RESTRICT to = d_pixels + t.corners.at[k];
        const auto w = hn::Set(d, weight);
        std::int64_t c = first_channel;
        for (; c + kLanesOf<T> <= last_channel; c += kLanesOf<T>) {
          hn::StoreU(hn::MulAdd(w, hn::LoadU(d, from + c), hn::LoadU(d, to + c)), d, to + c);
        }
        for (; c < last_channel; ++c) to[c] = std::fma(weight, from[c], to[c]);
      }
    }
  }
}

template <class T>
void gradient_of(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                 const T* mask, const T* d_columns, T* d_pixels, T* d_offset, T* d_mask) {
  if (d_offset != nullptr || d_mask != nullptr) {
    place_gradients(g, first, last, pixels, offset, mask, d_columns, d_offset, d_mask);
  }
  if (d_pixels == nullptr) return;
  const std::int64_t channels = g.channels / g.offset_groups;
  parallel_for(0, g.channels, 16, [&](std::int64_t begin, std::int64_t end) {
    while (begin < end) {
      const std::int64_t group = begin / channels;
      const std::int64_t stop = std::min(end, (group + 1) * channels);
      scatter_columns(g, first, last, group, begin, stop, offset, mask, d_columns, d_pixels);
      begin = stop;
    }
  });
}

template <class T>
void transpose_all(std::int64_t rows, std::int64_t columns, const T* from, T* to) {
  parallel_for(0, columns, 1024, [&](std::int64_t first, std::int64_t last) {
    transpose(rows, last - first, from + first, columns, to + first * rows, rows);
  });
}

template <class T>
DeformKernels<T> kernels() {
  return {columns_of<T>, gradient_of<T>, transpose_all<T>};
}
DeformKernels<float> kernels_f32() { return kernels<float>(); }
DeformKernels<double> kernels_f64() { return kernels<double>(); }

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(kernels_f32);
HWY_EXPORT(kernels_f64);

namespace {

template <class T>
DeformKernels<T> best_kernels() {
  if constexpr (std::is_same_v<T, float>) {
    return HWY_DYNAMIC_DISPATCH(kernels_f32)();
  } else {
    return HWY_DYNAMIC_DISPATCH(kernels_f64)();
  }
}

}  // namespace

template <class T>
void deform_columns(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels, const T* offset,
                    const T* mask, T* columns) {
  best_kernels<T>().columns(g, first, last, pixels, offset, mask, columns);
}

template <class T>
void deform_columns_gradient(const DeformGeometry& g, std::int64_t first, std::int64_t last, const T* pixels,
                             const T* offset, const T* mask, const T* d_columns, T* d_pixels, T* d_offset, T* d_mask) {
  best_kernels<T>().gradient(g, first, last, pixels, offset, mask, d_columns, d_pixels, d_offset, d_mask);
}

template <class T>
void transpose_matrix(std::int64_t rows, std::int64_t columns, const T* from, T* to) {
  best_kernels<T>().transpose(rows, columns, from, to);
}

#define COPPICE_INSTANTIATE_DEFORM(T)                                                                                \
  template void deform_columns(const DeformGeometry&, std::int64_t, std::int64_t, const T*, const T*, const T*, T*); \
  template void deform_columns_gradient(const DeformGeometry&, std::int64_t, std::int64_t, const T*, const T*,       \
                                        const T*, const T*, T*, T*, T*);                                             \
  template void transpose_matrix(std::int64_t, std::int64_t, const T*, T*)
COPPICE_INSTANTIATE_DEFORM(float);
COPPICE_INSTANTIATE_DEFORM(double);
#undef COPPICE_INSTANTIATE_DEFORM

}  // namespace coppice::cpu
#endif
