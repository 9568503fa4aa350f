// Images cut into strips side by side and put together again, f32 and f64.
//
// Mapping      A row of one channel of all strips is gathered in L1, where it is a (lanes, width) matrix to transpose;
//              threads take channels.
// Work         reads and writes every element once, and once more in L1.
// Bound        L1: copies and shuffles.
// Deterministic yes: nothing is summed.

#include <coppice/ops/cpu/strips.h>

#include <algorithm>
#include <array>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/strips.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr std::int64_t kBlock = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

/// One row of a strip, in channel 0.
struct StripRow {
  std::int64_t place;       ///< of its first pixel in the images, were it inside
  std::int64_t begin, end;  ///< pixels inside the image
};

StripRow row_of_strip(const Strips& s, std::int64_t strip, std::int64_t y) {
  const std::int64_t image = strip / (s.grid_h * s.grid_w);
  const std::int64_t top = s.origin_h + strip / s.grid_w % s.grid_h * s.step_h + y;
  const std::int64_t left = s.origin_w + strip % s.grid_w * s.step_w;
  const std::int64_t place = (image * s.channels * s.height + top) * s.width + left;
  if (top < 0 || top >= s.height) return {place, s.strip_w, s.strip_w};
  const std::int64_t begin = std::clamp<std::int64_t>(-left, 0, s.strip_w);
  return {place, begin, std::clamp<std::int64_t>(s.width - left, begin, s.strip_w)};
}

/// Calls body(rows of the strips, place of the channel in an image, of the row in the block, staging) for every row and
/// channel; staging holds a row of every strip.
template <class T, class Body>
void for_rows(const Strips& s, Body body) {
  parallel_for(0, s.channels, 8, [&](std::int64_t first, std::int64_t last) {
    const Buffer<T> staging(s.count() * s.strip_w);
    std::array<StripRow, static_cast<std::size_t>(kBlock<T>)> rows;
    for (std::int64_t y = 0; y < s.strip_h; ++y) {
      for (std::int64_t v = 0; v < s.count(); ++v) rows[static_cast<std::size_t>(v)] = row_of_strip(s, v, y);
      for (std::int64_t c = first; c < last; ++c) {
        body(rows.data(), c * s.height * s.width, (y * s.channels + c) * s.strip_w * kBlock<T>, staging.data());
      }
    }
  });
}

template <class T>
void gather(const Strips& s, const T* images, T* block) {
  if (s.count() < kBlock<T>) std::fill_n(block, s.strip_h * s.channels * s.strip_w * kBlock<T>, T(0));
  for_rows<T>(s, [&](const StripRow* rows, std::int64_t channel, std::int64_t at, T* staging) {
    for (std::int64_t v = 0; v < s.count(); ++v) {
      const StripRow& row = rows[v];
      T* const to = staging + v * s.strip_w;
      std::fill(to, to + row.begin, T(0));
      const T* const from = images + channel + row.place;
      for (std::int64_t x = row.begin; x < row.end; ++x) to[x] = from[x];
      std::fill(to + row.end, to + s.strip_w, T(0));
    }
    transpose(s.count(), s.strip_w, staging, s.strip_w, block + at, kBlock<T>);
  });
}

template <class T>
void scatter(const Strips& s, const T* block, const T* residual, bool relu, T* images) {
  for_rows<T>(s, [&](const StripRow* rows, std::int64_t channel, std::int64_t at, T* staging) {
    transpose(s.strip_w, s.count(), block + at, kBlock<T>, staging, s.strip_w);
    for (std::int64_t v = 0; v < s.count(); ++v) {
      const StripRow& row = rows[v];
      T* HWY_RESTRICT from = staging + v * s.strip_w;
      T* HWY_RESTRICT to = images + channel + row.place;
      if (residual != nullptr) {
        const T* HWY_RESTRICT addend = residual + channel + row.place;
        for (std::int64_t x = row.begin; x < row.end; ++x) from[x] += addend[x];
      }
      if (relu) {
        for (std::int64_t x = row.begin; x < row.end; ++x) from[x] = from[x] < T(0) ? T(0) : from[x];
      }
      for (std::int64_t x = row.begin; x < row.end; ++x) to[x] = from[x];
    }
  });
}

void gather_f32(const Strips& s, const float* images, float* block) { gather(s, images, block); }
void gather_f64(const Strips& s, const double* images, double* block) { gather(s, images, block); }
void scatter_f32(const Strips& s, const float* block, const float* residual, bool relu, float* images) {
  scatter(s, block, residual, relu, images);
}
void scatter_f64(const Strips& s, const double* block, const double* residual, bool relu, double* images) {
  scatter(s, block, residual, relu, images);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(gather_f32);
HWY_EXPORT(gather_f64);
HWY_EXPORT(scatter_f32);
HWY_EXPORT(scatter_f64);

template <>
void gather_strips<float>(const Strips& s, const float* images, float* block) {
  HWY_DYNAMIC_DISPATCH(gather_f32)(s, images, block);
}
template <>
void gather_strips<double>(const Strips& s, const double* images, double* block) {
  HWY_DYNAMIC_DISPATCH(gather_f64)(s, images, block);
}
template <>
void scatter_strips<float>(const Strips& s, const float* block, const float* residual, bool relu, float* images) {
  HWY_DYNAMIC_DISPATCH(scatter_f32)(s, block, residual, relu, images);
}
template <>
void scatter_strips<double>(const Strips& s, const double* block, const double* residual, bool relu, double* images) {
  HWY_DYNAMIC_DISPATCH(scatter_f64)(s, block, residual, relu, images);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
