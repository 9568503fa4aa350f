// Packing of matrices that lie in memory, for the matrix product; once per SIMD target.

#if defined(COPPICE_OPS_CPU_GEMM_PACK_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_GEMM_PACK_INL_H_
#undef COPPICE_OPS_CPU_GEMM_PACK_INL_H_
#else
#define COPPICE_OPS_CPU_GEMM_PACK_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include <coppice/ops/cpu/gemm.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

HWY_INLINE std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Packs lines whose elements lie next to each other along k: a transposition.
template <class T>
void pack_interleaved(const T* source, std::int64_t stride, const GemmSlice& slice, T* packed) {
  source += slice.first * stride + slice.start;
  for (std::int64_t first = 0; first < slice.count; first += slice.width, packed += slice.width * slice.depth) {
    const std::int64_t count = std::min(slice.count - first, slice.width);
    transpose(count, slice.depth, source + first * stride, stride, packed, slice.width);
    for (std::int64_t line = count; line < slice.width; ++line) {
      for (std::int64_t p = 0; p < slice.depth; ++p) packed[p * slice.width + line] = T(0);
    }
  }
}

/// Copies `count` elements in vectors; the last overlaps the one before.
template <class T>
HWY_INLINE void copy_line(const T* HWY_RESTRICT from, T* HWY_RESTRICT to, std::int64_t count) {
  const hn::CappedTag<T, 4> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  if (count < kLanes) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i];
    return;
  }
  for (std::int64_t i = 0; i + kLanes < count; i += kLanes) hn::StoreU(hn::LoadU(d, from + i), d, to + i);
  hn::StoreU(hn::LoadU(d, from + count - kLanes), d, to + count - kLanes);
}

/// Packs lines that lie next to each other at every position of k: a copy, of several slices side by side, so that
/// rows are read in runs of some length.
template <class T>
void pack_rows(const T* source, std::int64_t stride, const GemmSlice& slice, T* packed) {
  // Rows far apart in memory are a pattern that no hardware prefetcher follows.
  constexpr std::int64_t kAhead = 8;
  constexpr std::int64_t kRun = 4 * kLineElements<T>;
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  source += slice.start * stride + slice.first;
  const std::int64_t step = slice.width * slice.depth;
  const std::int64_t run = slice.width * std::max(std::int64_t{1}, kRun / slice.width);
  for (std::int64_t first = 0; first < slice.count; first += run) {
    const std::int64_t count = std::min(slice.count - first, run);
    const T* row = source + first;
    for (std::int64_t p = 0; p < slice.depth; ++p, row += stride) {
      for (std::int64_t j = 0; j < count && p + kAhead < slice.depth; j += kLineElements<T>) {
        hwy::Prefetch(row + kAhead * stride + j);
      }
      T* to = packed + p * slice.width;
      for (std::int64_t j = 0; j < count; j += slice.width, to += step) {
        const std::int64_t lines = std::min(count - j, slice.width);
        if (lines == 2 * kLanes) {
          const auto low = hn::LoadU(d, row + j);
          const auto high = hn::LoadU(d, row + j + kLanes);
          hn::StoreU(low, d, to);
          hn::StoreU(high, d, to + kLanes);
          continue;
        }
        copy_line(row + j, to, lines);
        for (std::int64_t line = lines; line < slice.width; ++line) to[line] = T(0);
      }
    }
    packed += divide_up(count, slice.width) * step;
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
