// Images read at the points of a grid, and the gradients by images and by points.
//
// Mapping       Taps of 64 points at a time (sample_taps-inl.h). Many channels: the image is transposed so that a
// pixel's
//               channels lie side by side, and each tap is a run of vectors; a zero pixel at its end stands for all
//               that lies outside. Few channels, or few points: gathers from the planes.
// Work          taps · channels · points, and the transposes: 2 passes over image and result.
// Bound         memory: the transposes; taps of 256 bytes and more come from L2 or L3 at their bandwidth.
// Deterministic yes: the gradient by the image is summed in order of points, threads share out channels; that by the
//               grid in order of channels, threads share out points.
// Measure       coppice-bench --benchmark_filter=grid_sample

#include <coppice/ops/cpu/grid_sample.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/grid_sample.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/interleaved-inl.h>
#include <coppice/ops/cpu/sample_taps-inl.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

std::int64_t pixels(const SampleGeometry& g) { return g.height * g.width; }

/// Calls with_taps.operator()<n>() for the number of taps of a mode.
template <class F>
void dispatch_taps(SampleMode mode, F&& with_taps) {
  switch (mode) {
    case SampleMode::Nearest: return with_taps.template operator()<1>();
    case SampleMode::Bilinear: return with_taps.template operator()<4>();
    case SampleMode::Bicubic: return with_taps.template operator()<16>();
  }
}

/// to (vectors) = Σ weight · from (vectors) over the taps of point p.
template <std::size_t kTaps, class T>
HWY_INLINE void mix_pixels(const Interleaved<T>& image, const SampleTaps<T>& taps, std::int64_t p, T* HWY_RESTRICT to) {
  const Tag<T> d;
  constexpr std::int64_t kLanes = kLanesOf<T>;
  const T* from[kTaps];
  for (std::size_t k = 0; k < kTaps; ++k) from[k] = image.at(taps.place[k][p]);
  std::int64_t c = 0;
  for (; c + 4 * kLanes <= image.pitch(); c += 4 * kLanes) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    unroll<kTaps>([&](auto k) HWY_ATTR {
      const auto w = hn::Set(d, taps.weight[k][p]);
      const T* x = from[k] + c;
      s0 = hn::MulAdd(w, hn::Load(d, x), s0);
      s1 = hn::MulAdd(w, hn::Load(d, x + kLanes), s1);
      s2 = hn::MulAdd(w, hn::Load(d, x + 2 * kLanes), s2);
      s3 = hn::MulAdd(w, hn::Load(d, x + 3 * kLanes), s3);
    });
    hn::Store(s0, d, to + c);
    hn::Store(s1, d, to + c + kLanes);
    hn::Store(s2, d, to + c + 2 * kLanes);
    hn::Store(s3, d, to + c + 3 * kLanes);
  }
  for (; c < image.pitch(); c += kLanes) {
    auto sum = hn::Zero(d);
    unroll<kTaps>([&](auto k)
                      HWY_ATTR { sum = hn::MulAdd(hn::Set(d, taps.weight[k][p]), hn::Load(d, from[k] + c), sum); });
    hn::Store(sum, d, to + c);
  }
}

template <class T>
void interleaved_forward(const SampleGeometry& g, const T* input, const T* grid, T* output) {
  Interleaved<T> image(g.channels, pixels(g));
  for (std::int64_t n = 0; n < g.batch; ++n) {
    image.read(input + n * g.channels * pixels(g));
    const T* points = grid + n * g.points * 2;
    T* out = output + n * g.channels * g.points;
    parallel_for(0, divide_up(g.points, kTilePoints), 8, [&](std::int64_t first, std::int64_t last) {
      SampleTaps<T> taps;
      const Buffer<T> mixed(kTilePoints * image.pitch());
      for (std::int64_t tile = first; tile < last; ++tile) {
        const std::int64_t start = tile * kTilePoints;
        const std::int64_t count = std::min(kTilePoints, g.points - start);
        sample_taps(g, points + 2 * start, count, taps);
        dispatch_taps(g.mode, [&]<std::size_t kTaps>() HWY_ATTR {
          for (std::int64_t p = 0; p < count; ++p) {
            mix_pixels<kTaps>(image, taps, p, mixed.data() + p * image.pitch());
          }
        });
        transpose(count, g.channels, mixed.data(), image.pitch(), out + start, g.points);
      }
    });
  }
}

/// Σ weight · x[place] for a tile of points, in one plane.
template <std::size_t kTaps, class T>
HWY_INLINE void gather_plane(const SampleTaps<T>& taps, const T* x, std::int64_t count, T* out) {
  const Tag<T> d;
  const hn::RebindToSigned<Tag<T>> di;
  for (std::int64_t p = 0; p < count; p += kLanesOf<T>) {
    auto sum = hn::Zero(d);
    unroll<kTaps>([&](auto k) HWY_ATTR {
      const auto place = hn::Load(di, taps.place[k] + p);
      const auto value = hn::GatherIndex(d, x, hn::Max(place, hn::Zero(di)));
      const auto outside = hn::RebindMask(d, hn::Lt(place, hn::Zero(di)));
      sum = hn::MulAdd(hn::Load(d, taps.weight[k] + p), hn::IfThenZeroElse(outside, value), sum);
    });
    if (p + kLanesOf<T> <= count) {
      hn::StoreU(sum, d, out + p);
    } else {
      HWY_ALIGN T last[hn::MaxLanes(Tag<T>())];
      hn::Store(sum, d, last);
      std::copy_n(last, count - p, out + p);
    }
  }
}

template <class T>
void planar_forward(const SampleGeometry& g, const T* input, const T* grid, T* output) {
  const std::int64_t tiles = divide_up(g.points, kTilePoints);
  parallel_for(0, g.batch * tiles, 16, [&](std::int64_t first, std::int64_t last) {
    SampleTaps<T> taps;
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t n = unit / tiles;
      const std::int64_t start = unit % tiles * kTilePoints;
      const std::int64_t count = std::min(kTilePoints, g.points - start);
      sample_taps(g, grid + (n * g.points + start) * 2, count, taps);
      dispatch_taps(g.mode, [&]<std::size_t kTaps>() HWY_ATTR {
        for (std::int64_t plane = n * g.channels; plane < (n + 1) * g.channels; ++plane) {
          gather_plane<kTaps>(taps, input + plane * pixels(g), count, output + plane * g.points + start);
        }
      });
    }
  });
}

/// d_image (channels [first, last) of interleaved pixels) += weights · d_output, point after point.
template <std::size_t kTaps, class T>
HWY_INLINE void scatter_pixel(const SampleTaps<T>& taps, std::int64_t p, const T* HWY_RESTRICT d_out,
                              std::int64_t first, std::int64_t last, const Interleaved<T>& d_image) {
  const Tag<T> d;
  for (std::size_t k = 0; k < kTaps; ++k) {
    const auto w = hn::Set(d, taps.weight[k][p]);
    T* to = d_image.at(taps.place[k][p]);
    for (std::int64_t c = first; c < last; c += kLanesOf<T>) {
      hn::Store(hn::MulAdd(w, hn::Load(d, d_out + c), hn::Load(d, to + c)), d, to + c);
    }
  }
}

template <class T>
void interleaved_image_gradient(const SampleGeometry& g, const T* grid, const T* d_output, T* d_input) {
  Interleaved<T> d_image(g.channels, pixels(g));
  const std::int64_t vectors = d_image.pitch() / kLanesOf<T>;
  for (std::int64_t n = 0; n < g.batch; ++n) {
    const T* d_out = d_output + n * g.channels * g.points;
    parallel_for(0, vectors, 1, [&](std::int64_t first_vector, std::int64_t last_vector) {
      const std::int64_t first = first_vector * kLanesOf<T>, last = last_vector * kLanesOf<T>;
      const std::int64_t channels = std::min(last, g.channels) - first;
      SampleTaps<T> taps;
      const Buffer<T> side_by_side(kTilePoints * d_image.pitch());
      std::fill(side_by_side.begin(), side_by_side.end(), T{0});
      d_image.clear(first, last);
      for (std::int64_t start = 0; start < g.points; start += kTilePoints) {
        const std::int64_t count = std::min(kTilePoints, g.points - start);
        sample_taps(g, grid + (n * g.points + start) * 2, count, taps);
        transpose(channels, count, d_out + first * g.points + start, g.points, side_by_side.data() + first,
                  d_image.pitch());
        dispatch_taps(g.mode, [&]<std::size_t kTaps>() HWY_ATTR {
          for (std::int64_t p = 0; p < count; ++p) {
            scatter_pixel<kTaps>(taps, p, side_by_side.data() + p * d_image.pitch(), first, last, d_image);
          }
        });
      }
    });
    d_image.write(d_input + n * g.channels * pixels(g));
  }
}

template <class T>
void planar_image_gradient(const SampleGeometry& g, const T* grid, const T* d_output, T* d_input) {
  parallel_for(0, g.batch * g.channels, 1, [&](std::int64_t first, std::int64_t last) {
    SampleTaps<T> taps;
    while (first < last) {
      const std::int64_t n = first / g.channels;
      const std::int64_t end = std::min(last, (n + 1) * g.channels);
      std::fill(d_input + first * pixels(g), d_input + end * pixels(g), T{0});
      for (std::int64_t start = 0; start < g.points; start += kTilePoints) {
        const std::int64_t count = std::min(kTilePoints, g.points - start);
        sample_taps(g, grid + (n * g.points + start) * 2, count, taps);
        for (std::int64_t plane = first; plane < end; ++plane) {
          const T* d_out = d_output + plane * g.points + start;
          T* d_in = d_input + plane * pixels(g);
          for (std::int64_t p = 0; p < count; ++p) {
            for (std::size_t k = 0; k < taps_of(g.mode); ++k) {
              if (taps.place[k][p] >= 0) d_in[taps.place[k][p]] += taps.weight[k][p] * d_out[p];
            }
          }
        }
      }
      first = end;
    }
  });
}

/// d_grid of a tile from what each tap's pixel has in common with d_output: sums[k][p] = Σ_c d_output · pixel.
template <class T>
void write_grid_gradient(const SampleGeometry& g, const SampleTaps<T>& taps, const T (*sums)[kTilePoints],
                         std::int64_t count, T* d_grid) {
  for (std::int64_t p = 0; p < count; ++p) {
    T x{0}, y{0};
    for (std::size_t k = 0; k < taps_of(g.mode); ++k) {
      x += taps.weight_x[k][p] * sums[k][p];
      y += taps.weight_y[k][p] * sums[k][p];
    }
    d_grid[2 * p] = x;
    d_grid[2 * p + 1] = y;
  }
}

template <class T>
void interleaved_grid_gradient(const SampleGeometry& g, const T* input, const T* grid, const T* d_output, T* d_grid) {
  const Tag<T> d;
  Interleaved<T> image(g.channels, pixels(g));
  for (std::int64_t n = 0; n < g.batch; ++n) {
    image.read(input + n * g.channels * pixels(g));
    const T* d_out = d_output + n * g.channels * g.points;
    parallel_for(0, divide_up(g.points, kTilePoints), 8, [&](std::int64_t first, std::int64_t last) {
      SampleTaps<T> taps;
      T sums[kMaxSampleTaps][kTilePoints];
      const Buffer<T> side_by_side(kTilePoints * image.pitch());
      std::fill(side_by_side.begin(), side_by_side.end(), T{0});
      for (std::int64_t tile = first; tile < last; ++tile) {
        const std::int64_t start = tile * kTilePoints;
        const std::int64_t count = std::min(kTilePoints, g.points - start);
        sample_taps(g, grid + (n * g.points + start) * 2, count, taps);
        transpose(g.channels, count, d_out + start, g.points, side_by_side.data(), image.pitch());
        for (std::int64_t p = 0; p < count; ++p) {
          const T* left = side_by_side.data() + p * image.pitch();
          for (std::size_t k = 0; k < taps_of(g.mode); ++k) {
            const T* right = image.at(taps.place[k][p]);
            auto sum = hn::Zero(d);
            for (std::int64_t c = 0; c < image.pitch(); c += kLanesOf<T>) {
              sum = hn::MulAdd(hn::Load(d, left + c), hn::Load(d, right + c), sum);
            }
            sums[k][p] = hn::GetLane(hn::SumOfLanes(d, sum));
          }
        }
        write_grid_gradient(g, taps, sums, count, d_grid + (n * g.points + start) * 2);
      }
    });
  }
}

template <class T>
void planar_grid_gradient(const SampleGeometry& g, const T* input, const T* grid, const T* d_output, T* d_grid) {
  const std::int64_t tiles = divide_up(g.points, kTilePoints);
  parallel_for(0, g.batch * tiles, 16, [&](std::int64_t first, std::int64_t last) {
    SampleTaps<T> taps;
    T sums[kMaxSampleTaps][kTilePoints];
    for (std::int64_t unit = first; unit < last; ++unit) {
      const std::int64_t n = unit / tiles;
      const std::int64_t start = unit % tiles * kTilePoints;
      const std::int64_t count = std::min(kTilePoints, g.points - start);
      sample_taps(g, grid + (n * g.points + start) * 2, count, taps);
      for (std::size_t k = 0; k < taps_of(g.mode); ++k) {
        std::fill_n(sums[k], kTilePoints, T{0});
        for (std::int64_t plane = n * g.channels; plane < (n + 1) * g.channels; ++plane) {
          const T* x = input + plane * pixels(g);
          const T* d_out = d_output + plane * g.points + start;
          for (std::int64_t p = 0; p < count; ++p) {
            if (taps.place[k][p] >= 0) sums[k][p] += d_out[p] * x[taps.place[k][p]];
          }
        }
      }
      write_grid_gradient(g, taps, sums, count, d_grid + (n * g.points + start) * 2);
    }
  });
}

/// Whether the transposes pay: enough channels to fill vectors, enough points to read most of the image.
template <class T>
bool interleaves(const SampleGeometry& g) {
  return g.channels >= kLanesOf<T> && 4 * g.points >= pixels(g);
}

template <class T>
void forward(const SampleGeometry& g, const T* input, const T* grid, T* output) {
  (interleaves<T>(g) ? interleaved_forward<T> : planar_forward<T>)(g, input, grid, output);
}

template <class T>
void gradients(const SampleGeometry& g, const T* input, const T* grid, const T* d_output, T* d_input, T* d_grid) {
  const bool interleaved = interleaves<T>(g);
  if (d_input != nullptr) {
    (interleaved ? interleaved_image_gradient<T> : planar_image_gradient<T>)(g, grid, d_output, d_input);
  }
  if (d_grid != nullptr) {
    (interleaved ? interleaved_grid_gradient<T> : planar_grid_gradient<T>)(g, input, grid, d_output, d_grid);
  }
}

void forward_f32(const SampleGeometry& g, const float* x, const float* grid, float* y) { forward(g, x, grid, y); }
void forward_f64(const SampleGeometry& g, const double* x, const double* grid, double* y) { forward(g, x, grid, y); }
void gradients_f32(const SampleGeometry& g, const float* x, const float* grid, const float* dy, float* dx,
                   float* d_grid) {
  gradients(g, x, grid, dy, dx, d_grid);
}
void gradients_f64(const SampleGeometry& g, const double* x, const double* grid, const double* dy, double* dx,
                   double* d_grid) {
  gradients(g, x, grid, dy, dx, d_grid);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(forward_f32);
HWY_EXPORT(forward_f64);
HWY_EXPORT(gradients_f32);
HWY_EXPORT(gradients_f64);

template <>
void grid_sample(const SampleGeometry& g, const float* input, const float* grid, float* output) {
  HWY_DYNAMIC_DISPATCH(forward_f32)(g, input, grid, output);
}
template <>
void grid_sample(const SampleGeometry& g, const double* input, const double* grid, double* output) {
  HWY_DYNAMIC_DISPATCH(forward_f64)(g, input, grid, output);
}
template <>
void grid_sample_gradients(const SampleGeometry& g, const float* input, const float* grid, const float* d_output,
                           float* d_input, float* d_grid) {
  HWY_DYNAMIC_DISPATCH(gradients_f32)(g, input, grid, d_output, d_input, d_grid);
}
template <>
void grid_sample_gradients(const SampleGeometry& g, const double* input, const double* grid, const double* d_output,
                           double* d_input, double* d_grid) {
  HWY_DYNAMIC_DISPATCH(gradients_f64)(g, input, grid, d_output, d_input, d_grid);
}

}  // namespace coppice::cpu
#endif
