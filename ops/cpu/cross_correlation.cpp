// Correlations of planes with kernels of their own.
//
// Mapping       A tile of 4 rows × 2 vectors of a result stays in registers while all taps of the kernel pass: one
//               broadcast a tap, one load an FMA, from L1. Rows narrower than two vectors take one, or a short one; the
//               last tile of a row overlaps the one before. The transpose is the same with a padded plane and a flipped
//               kernel.
// Work          2 · planes · out_pixels · taps FLOP
// Bound         two loads a cycle
// Deterministic yes: an output is summed in order of taps.
// Measure       coppice-bench --benchmark_filter=xcorr

#include <coppice/ops/cpu/cross_correlation.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/cross_correlation.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

/// kRows × kVectors vectors of D of the result at `out`, which reads from `in` on.
template <std::size_t kRows, std::size_t kVectors, class D, class T>
HWY_INLINE void tile(D d, const CorrelationGeometry& g, const T* HWY_RESTRICT in, const T* HWY_RESTRICT kernel,
                     T* HWY_RESTRICT out) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  hn::Vec<D> sum[kRows][kVectors];
  unroll<kRows>([&](auto r) HWY_ATTR { unroll<kVectors>([&](auto v) HWY_ATTR { sum[r][v] = hn::Zero(d); }); });
  for (std::int64_t i = 0; i < g.kernel_height; ++i) {
    const T* row = in + i * g.width;
    for (std::int64_t j = 0; j < g.kernel_width; ++j) {
      const auto k = hn::Set(d, kernel[i * g.kernel_width + j]);
      unroll<kRows>([&](auto r) HWY_ATTR {
        unroll<kVectors>([&](auto v) HWY_ATTR {
          const std::int64_t at =
              static_cast<std::int64_t>(r()) * g.width + static_cast<std::int64_t>(v()) * kLanes + j;
          sum[r][v] = hn::MulAdd(k, hn::LoadU(d, row + at), sum[r][v]);
        });
      });
    }
  }
  unroll<kRows>([&](auto r) HWY_ATTR {
    unroll<kVectors>([&](auto v) HWY_ATTR {
      const std::int64_t at = static_cast<std::int64_t>(r()) * g.out_width() + static_cast<std::int64_t>(v()) * kLanes;
      hn::StoreU(sum[r][v], d, out + at);
    });
  });
}

template <std::size_t kVectors, class D, class T>
void plane_in_tiles(D d, const CorrelationGeometry& g, const T* in, const T* kernel, T* out) {
  constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors * hn::MaxLanes(D()));
  for (std::int64_t next = 0; next < g.out_width(); next += kWidth) {
    const std::int64_t x = std::min(next, g.out_width() - kWidth);
    std::int64_t y = 0;
    for (; y + 4 <= g.out_height(); y += 4) {
      tile<4, kVectors>(d, g, in + y * g.width + x, kernel, out + y * g.out_width() + x);
    }
    for (; y < g.out_height(); ++y) {
      tile<1, kVectors>(d, g, in + y * g.width + x, kernel, out + y * g.out_width() + x);
    }
  }
}

template <class T>
void plane(const CorrelationGeometry& g, const T* in, const T* kernel, T* out) {
  const hn::ScalableTag<T> whole;
  const hn::CappedTag<T, hn::MaxLanes(hn::ScalableTag<T>()) / 2 + (HWY_TARGET == HWY_SCALAR ? 1 : 0)> half;
  const auto lanes = static_cast<std::int64_t>(hn::MaxLanes(whole));
  if (g.out_width() >= 2 * lanes) return plane_in_tiles<2>(whole, g, in, kernel, out);
  if (g.out_width() >= lanes) return plane_in_tiles<1>(whole, g, in, kernel, out);
  if (g.out_width() >= static_cast<std::int64_t>(hn::MaxLanes(half)))
    return plane_in_tiles<1>(half, g, in, kernel, out);
  plane_in_tiles<1>(hn::CappedTag<T, 1>(), g, in, kernel, out);
}

template <class T>
void all_planes(const CorrelationGeometry& g, const T* in, const T* kernel, T* out) {
  parallel_for(0, g.planes, 4, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t p = first; p < last; ++p) {
      plane(g, in + p * g.height * g.width, kernel + p * g.kernel_height * g.kernel_width,
            out + p * g.out_height() * g.out_width());
    }
  });
}

template <class T>
void all_planes_full(const CorrelationGeometry& g, const T* out, const T* kernel, T* in) {
  CorrelationGeometry padded = g;
  padded.height = g.height + g.kernel_height - 1;
  padded.width = g.width + g.kernel_width - 1;
  parallel_for(0, g.planes, 4, [&](std::int64_t first, std::int64_t last) {
    std::vector<T> image(static_cast<std::size_t>(padded.height * padded.width));
    std::vector<T> flipped(static_cast<std::size_t>(g.kernel_height * g.kernel_width));
    for (std::int64_t p = first; p < last; ++p) {
      const T* from = out + p * g.out_height() * g.out_width();
      for (std::int64_t y = 0; y < g.out_height(); ++y) {
        std::copy_n(from + y * g.out_width(), g.out_width(),
                    image.data() + (y + g.kernel_height - 1) * padded.width + g.kernel_width - 1);
      }
      std::reverse_copy(kernel + p * static_cast<std::int64_t>(flipped.size()),
                        kernel + (p + 1) * static_cast<std::int64_t>(flipped.size()), flipped.begin());
      plane(padded, image.data(), flipped.data(), in + p * g.height * g.width);
    }
  });
}

void correlate_f32(const CorrelationGeometry& g, const float* in, const float* kernel, float* out) {
  all_planes(g, in, kernel, out);
}
void correlate_f64(const CorrelationGeometry& g, const double* in, const double* kernel, double* out) {
  all_planes(g, in, kernel, out);
}
void full_f32(const CorrelationGeometry& g, const float* out, const float* kernel, float* in) {
  all_planes_full(g, out, kernel, in);
}
void full_f64(const CorrelationGeometry& g, const double* out, const double* kernel, double* in) {
  all_planes_full(g, out, kernel, in);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(correlate_f32);
HWY_EXPORT(correlate_f64);
HWY_EXPORT(full_f32);
HWY_EXPORT(full_f64);

template <>
void correlate(const CorrelationGeometry& g, const float* in, const float* kernel, float* out) {
  HWY_DYNAMIC_DISPATCH(correlate_f32)(g, in, kernel, out);
}
template <>
void correlate(const CorrelationGeometry& g, const double* in, const double* kernel, double* out) {
  HWY_DYNAMIC_DISPATCH(correlate_f64)(g, in, kernel, out);
}
template <>
void correlate_full(const CorrelationGeometry& g, const float* out, const float* kernel, float* in) {
  HWY_DYNAMIC_DISPATCH(full_f32)(g, out, kernel, in);
}
template <>
void correlate_full(const CorrelationGeometry& g, const double* out, const double* kernel, double* in) {
  HWY_DYNAMIC_DISPATCH(full_f64)(g, out, kernel, in);
}

}  // namespace coppice::cpu
#endif
