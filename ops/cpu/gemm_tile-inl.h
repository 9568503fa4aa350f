// The matrix product's kernel: one tile of C, in registers; once per SIMD target.

#if defined(COPPICE_OPS_CPU_GEMM_TILE_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_GEMM_TILE_INL_H_
#undef COPPICE_OPS_CPU_GEMM_TILE_INL_H_
#else
#define COPPICE_OPS_CPU_GEMM_TILE_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <array>
#include <cstdint>
#include <utility>

#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

// Accumulators are kMaxRows × kVectors: all but the few registers that hold B and a broadcast of A.
#if HWY_TARGET == HWY_AVX3 || HWY_ARCH_ARM_A64
inline constexpr std::size_t kMaxRows = 14;
#else
inline constexpr std::size_t kMaxRows = 6;
#endif
inline constexpr std::size_t kVectors = 2;

/// Rows of A as they lie in memory, or as packed: kRows next to each other at every p.
enum class Rows { Packed, Direct };

/// Part of one tile's C: kRows rows, `columns` of the two vectors computed. Rows of A `lda` apart where direct.
template <std::size_t kRows, Rows kLayout, class T>
void multiply_tile(std::int64_t depth, const T* HWY_RESTRICT a, std::int64_t lda, const T* HWY_RESTRICT b,
                   bool accumulate, T* HWY_RESTRICT c, std::int64_t ldc, std::int64_t columns) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  constexpr std::size_t kWidth = kVectors * kLanes;
  const std::int64_t rows = static_cast<std::int64_t>(kRows);
  for (std::int64_t r = 0; r < rows; ++r) hwy::Prefetch(c + r * ldc);  // needed when the sums are complete
  const T* lines[kRows];
  if constexpr (kLayout == Rows::Direct) {
    unroll<kRows>([&](auto r) HWY_ATTR { lines[r] = a + static_cast<std::int64_t>(r()) * lda; });
  }
  V sums[kRows][kVectors];
  unroll<kRows>([&](auto r) HWY_ATTR { unroll<kVectors>([&](auto v) HWY_ATTR { sums[r][v] = hn::Zero(d); }); });
  // The counters of a loop around so few FMAs would take a tenth of the issue slots.
  HWY_UNROLL(4)
  for (std::int64_t p = 0; p < depth; ++p) {
    V line[kVectors];
    unroll<kVectors>([&](auto v) HWY_ATTR { line[v] = hn::Load(d, b + v * kLanes); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V factor = hn::Set(d, kLayout == Rows::Direct ? lines[r][p] : a[r]);
      unroll<kVectors>([&](auto v) HWY_ATTR { sums[r][v] = hn::MulAdd(factor, line[v], sums[r][v]); });
    });
    if constexpr (kLayout == Rows::Packed) a += kRows;
    b += kWidth;
  }
  if (columns == static_cast<std::int64_t>(kWidth)) {
    unroll<kRows>([&](auto r) HWY_ATTR {
      T* row = c + static_cast<std::int64_t>(r()) * ldc;
      unroll<kVectors>([&](auto v) HWY_ATTR {
        if (accumulate) sums[r][v] = hn::Add(sums[r][v], hn::LoadU(d, row + v * kLanes));
        hn::StoreU(sums[r][v], d, row + v * kLanes);
      });
    });
    return;
  }
  HWY_ALIGN T edge[kRows * kWidth];
  unroll<kRows>([&](auto r) HWY_ATTR {
    unroll<kVectors>([&](auto v) HWY_ATTR { hn::Store(sums[r][v], d, edge + r * kWidth + v * kLanes); });
  });
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* from = edge + static_cast<std::size_t>(r) * kWidth;
    T* row = c + r * ldc;
    std::int64_t j = 0;
    for (; j + static_cast<std::int64_t>(kLanes) <= columns; j += static_cast<std::int64_t>(kLanes)) {
      const V sum = hn::Load(d, from + j);
      hn::StoreU(accumulate ? hn::Add(sum, hn::LoadU(d, row + j)) : sum, d, row + j);
    }
    for (; j < columns; ++j) row[j] = accumulate ? row[j] + from[j] : from[j];
  }
}

template <class T>
using TileKernel = void (*)(std::int64_t, const T*, std::int64_t, const T*, bool, T*, std::int64_t, std::int64_t);

/// The kernel for tiles of `rows` rows, 1 to kMaxRows.
template <Rows kLayout, class T>
TileKernel<T> tile_kernel(std::int64_t rows) {
  static constexpr auto kTable = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<TileKernel<T>, sizeof...(i)>{&multiply_tile<i + 1, kLayout, T>...};
  }
  (std::make_index_sequence<kMaxRows>{});
  return kTable[static_cast<std::size_t>(rows - 1)];
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
