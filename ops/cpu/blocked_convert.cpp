// Conversion between row-major images and the blocked layout, f32 and f64.
//
// Mapping      Each row of one channel of a block of images is a (lanes, w) matrix to transpose; threads take rows.
// Work         reads and writes every element once.
// Bound        memory bandwidth; rows of fewer than 4 pixels are moved element by element.
// Deterministic yes: nothing is summed.

#include <coppice/ops/cpu/blocked_convert.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/image_block.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/blocked_convert.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

inline constexpr std::int64_t kGrain = 1 << 14;

template <class T>
inline constexpr std::int64_t kBlock = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

/// Calls row(image block, images in it, channel's row in contiguous images, row in blocked ones) for every row.
template <class T, class Row>
void for_rows(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, Row row) {
  const std::int64_t blocks = (n + kBlock<T> - 1) / kBlock<T>;
  const std::int64_t grain = std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, w * kBlock<T>));
  parallel_for(0, blocks * h * c, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t i = first; i < last; ++i) {
      const std::int64_t block = i / (h * c), y = i / c % h, channel = i % c;
      const std::int64_t image = block * kBlock<T>;
      row(std::min(kBlock<T>, n - image), ((image * c + channel) * h + y) * w, i * w * kBlock<T>);
    }
  });
}

template <class T>
void to_blocked(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* from, T* to) {
  for_rows<T>(n, c, h, w, [=](std::int64_t images, std::int64_t source, std::int64_t target) {
    if (images < kBlock<T>) std::fill_n(to + target, w * kBlock<T>, T(0));
    transpose(images, w, from + source, c * h * w, to + target, kBlock<T>);
  });
}

template <class T>
void from_blocked(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* from, T* to) {
  for_rows<T>(n, c, h, w, [=](std::int64_t images, std::int64_t target, std::int64_t source) {
    transpose(w, images, from + source, kBlock<T>, to + target, c * h * w);
  });
}

std::int64_t block_f32() { return kBlock<float>; }
std::int64_t block_f64() { return kBlock<double>; }
void to_blocked_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from, float* to) {
  to_blocked(n, c, h, w, from, to);
}
void to_blocked_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from, double* to) {
  to_blocked(n, c, h, w, from, to);
}
void from_blocked_f32(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from, float* to) {
  from_blocked(n, c, h, w, from, to);
}
void from_blocked_f64(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from, double* to) {
  from_blocked(n, c, h, w, from, to);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(block_f32);
HWY_EXPORT(block_f64);
HWY_EXPORT(to_blocked_f32);
HWY_EXPORT(to_blocked_f64);
HWY_EXPORT(from_blocked_f32);
HWY_EXPORT(from_blocked_f64);

template <>
std::int64_t image_block<float>() {
  return HWY_DYNAMIC_DISPATCH(block_f32)();
}
template <>
std::int64_t image_block<double>() {
  return HWY_DYNAMIC_DISPATCH(block_f64)();
}

template <>
void contiguous_to_blocked<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                                  float* to) {
  HWY_DYNAMIC_DISPATCH(to_blocked_f32)(n, c, h, w, from, to);
}
template <>
void contiguous_to_blocked<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                                   double* to) {
  HWY_DYNAMIC_DISPATCH(to_blocked_f64)(n, c, h, w, from, to);
}
template <>
void blocked_to_contiguous<float>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const float* from,
                                  float* to) {
  HWY_DYNAMIC_DISPATCH(from_blocked_f32)(n, c, h, w, from, to);
}
template <>
void blocked_to_contiguous<double>(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const double* from,
                                   double* to) {
  HWY_DYNAMIC_DISPATCH(from_blocked_f64)(n, c, h, w, from, to);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
