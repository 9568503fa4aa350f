// Packed matrix product:  C (m, n) = op(A) (m, k) · op(B) (k, n), f32 and f64.
//
// Mapping      A tile of kMaxRows × 2 vectors of C stays in registers while a block of k streams past: one load of B
//              feeds kMaxRows FMAs, one broadcast of A two. B is packed in slices of two vectors (most of L1), A in
//              blocks of rows (a third of L2).
// Work         2·m·n·k FLOP; packing reads A and B once each per block of the other and writes as much again.
// Bound        FMA throughput; packing shows where m or n is below about 100.
// Deterministic yes: an element of C is summed in order of k, a block at a time, wherever its tile lies.
// Measure      coppice-bench --benchmark_filter=gemm
// Source       Goto and van de Geijn, TOMS 2008 (the loop order).

#include <coppice/ops/cpu/gemm.h>

#include <algorithm>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>
#include <coppice/ops/cpu/gemv.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/gemm.cpp"
#include <hwy/cache_control.h>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <array>
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
inline constexpr std::int64_t kSliceBytes = 24 << 10;
inline constexpr std::int64_t kBlockBytes = 192 << 10;
inline constexpr std::int64_t kMaxColumns = 4096;
/// Multiplications worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 18;

std::int64_t divide_up(std::int64_t a, std::int64_t b) { return (a + b - 1) / b; }

/// Part of one tile's C, `rows` × `columns` of the kRows × 2 vectors computed.
template <std::size_t kRows, class T>
void multiply_tile(std::int64_t depth, const T* HWY_RESTRICT a, const T* HWY_RESTRICT b, bool accumulate,
                   T* HWY_RESTRICT c, std::int64_t ldc, std::int64_t rows, std::int64_t columns) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  V sums[kRows][kVectors];
  for (std::int64_t r = 0; r < rows; ++r) hwy::Prefetch(c + r * ldc);  // needed when the sums are complete
  unroll<kRows>([&](auto r) HWY_ATTR { unroll<kVectors>([&](auto v) HWY_ATTR { sums[r][v] = hn::Zero(d); }); });
  for (std::int64_t p = 0; p < depth; ++p) {
    V line[kVectors];
    unroll<kVectors>([&](auto v) HWY_ATTR { line[v] = hn::Load(d, b + v * kLanes); });
    unroll<kRows>([&](auto r) HWY_ATTR {
      const V factor = hn::Set(d, a[r]);
      unroll<kVectors>([&](auto v) HWY_ATTR { sums[r][v] = hn::MulAdd(factor, line[v], sums[r][v]); });
    });
    a += kRows;
    b += kVectors * kLanes;
  }
  if (rows == static_cast<std::int64_t>(kRows) && columns == static_cast<std::int64_t>(kVectors * kLanes)) {
    unroll<kRows>([&](auto r) HWY_ATTR {
      T* row = c + static_cast<std::int64_t>(r()) * ldc;
      unroll<kVectors>([&](auto v) HWY_ATTR {
        if (accumulate) sums[r][v] = hn::Add(sums[r][v], hn::LoadU(d, row + v * kLanes));
        hn::StoreU(sums[r][v], d, row + v * kLanes);
      });
    });
    return;
  }
  HWY_ALIGN T edge[kRows * kVectors * kLanes];
  unroll<kRows>([&](auto r) HWY_ATTR {
    unroll<kVectors>([&](auto v) HWY_ATTR { hn::Store(sums[r][v], d, edge + (r * kVectors + v) * kLanes); });
  });
  for (std::int64_t r = 0; r < rows; ++r) {
    const T* from = edge + static_cast<std::size_t>(r) * kVectors * kLanes;
    T* row = c + r * ldc;
    for (std::int64_t j = 0; j < columns; ++j) row[j] = accumulate ? row[j] + from[j] : from[j];
  }
}

template <class T>
using TileKernel = void (*)(std::int64_t, const T*, const T*, bool, T*, std::int64_t, std::int64_t, std::int64_t);

/// The kernel for tiles of `rows` rows, 1 to kMaxRows.
template <class T>
TileKernel<T> tile_kernel(std::int64_t rows) {
  static constexpr auto kTable = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<TileKernel<T>, sizeof...(i)>{&multiply_tile<i + 1, T>...};
  }
  (std::make_index_sequence<kMaxRows>{});
  return kTable[static_cast<std::size_t>(rows - 1)];
}

/// The loops around the tiles.
template <class T>
void multiply(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<T> pack_a, GemmPack<T> pack_b, bool accumulate,
              T* c, std::int64_t ldc) {
  const std::int64_t width = static_cast<std::int64_t>(kVectors * hn::MaxLanes(hn::ScalableTag<T>()));
  const std::int64_t max_rows = static_cast<std::int64_t>(kMaxRows);
  const std::int64_t size = static_cast<std::int64_t>(sizeof(T));
  // Depth and rows are shared out evenly, so that the last block and the last tile are nearly full.
  const std::int64_t max_depth = divide_up(k, divide_up(k, kSliceBytes / (width * size)));
  const std::int64_t rows = divide_up(m, divide_up(m, max_rows));
  const TileKernel<T> kernel = tile_kernel<T>(rows);
  // Several threads: smaller blocks, so that each gets some. Neither choice touches the order of a sum.
  const std::int64_t threads = m * n * k < 2 * kGrainWork ? 1 : num_threads();
  const std::int64_t tiles = divide_up(m, rows);
  const std::int64_t block_tiles =
      std::clamp(kBlockBytes / (max_depth * size * rows), std::int64_t{1}, divide_up(tiles, threads));
  const std::int64_t blocks = divide_up(tiles, block_tiles);
  const std::int64_t max_slices = std::min(divide_up(n, width), kMaxColumns / width);
  const std::int64_t parts = blocks >= threads ? 1 : std::min(divide_up(threads, blocks), max_slices);

  const Buffer<T> packed_b(max_slices * width * max_depth);
  for (std::int64_t column = 0; column < n; column += max_slices * width) {
    const std::int64_t columns = std::min(n - column, max_slices * width);
    const std::int64_t slices = divide_up(columns, width);
    for (std::int64_t start = 0; start < k; start += max_depth) {
      const std::int64_t depth = std::min(k - start, max_depth);
      const bool add = accumulate || start > 0;
      parallel_for(0, slices, threads == 1 ? slices : divide_up(kGrainWork / 8, depth * width),
                   [&](std::int64_t first, std::int64_t last) {
                     for (std::int64_t s = first; s < last; ++s) {
                       const std::int64_t line = s * width;
                       pack_b({column + line, std::min(columns - line, width), start, depth, width},
                              packed_b.data() + line * depth);
                     }
                   });
      parallel_for(0, blocks * parts, threads == 1 ? blocks * parts : 1, [&](std::int64_t first, std::int64_t last) {
        const Buffer<T> packed_a(block_tiles * rows * depth);
        for (std::int64_t task = first; task < last; ++task) {
          const std::int64_t first_tile = task / parts * block_tiles;
          const std::int64_t last_tile = std::min(first_tile + block_tiles, tiles);
          const std::int64_t first_slice = slices * (task % parts) / parts;
          const std::int64_t last_slice = slices * (task % parts + 1) / parts;
          for (std::int64_t t = first_tile; t < last_tile; ++t) {
            pack_a({t * rows, std::min(m - t * rows, rows), start, depth, rows},
                   packed_a.data() + (t - first_tile) * rows * depth);
          }
          for (std::int64_t s = first_slice; s < last_slice; ++s) {
            const std::int64_t line = s * width;
            for (std::int64_t t = first_tile; t < last_tile; ++t) {
              kernel(depth, packed_a.data() + (t - first_tile) * rows * depth, packed_b.data() + line * depth, add,
                     c + t * rows * ldc + column + line, ldc, std::min(m - t * rows, rows),
                     std::min(columns - line, width));
            }
          }
        }
      });
    }
  }
}

/// Packs lines whose elements lie next to each other along k: a transposition.
template <class T>
void pack_interleaved(const T* source, std::int64_t stride, const GemmSlice& slice, T* packed) {
  source += slice.first * stride + slice.start;
  transpose(slice.count, slice.depth, source, stride, packed, slice.width);
  for (std::int64_t line = slice.count; line < slice.width; ++line) {
    for (std::int64_t p = 0; p < slice.depth; ++p) packed[p * slice.width + line] = T(0);
  }
}

/// Packs lines that lie next to each other at every position of k: a copy.
template <class T>
void pack_rows(const T* source, std::int64_t stride, const GemmSlice& slice, T* packed) {
  // Rows far apart in memory are a pattern that no hardware prefetcher follows.
  constexpr std::int64_t kAhead = 16;
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  source += slice.start * stride + slice.first;
  for (std::int64_t p = 0; p < slice.depth; ++p, source += stride, packed += slice.width) {
    if (p + kAhead < slice.depth) hwy::Prefetch(source + kAhead * stride);
    if (slice.count == 2 * kLanes) {
      const auto low = hn::LoadU(d, source);
      const auto high = hn::LoadU(d, source + kLanes);
      hn::StoreU(low, d, packed);
      hn::StoreU(high, d, packed + kLanes);
      continue;
    }
    std::int64_t line = 0;
    for (; line < slice.count; ++line) packed[line] = source[line];
    for (; line < slice.width; ++line) packed[line] = T(0);
  }
}

template <class T>
void multiply_plain(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc) {
  const auto pack_a = [=](const GemmSlice& slice, T* packed) {
    transpose_a ? pack_rows(a, lda, slice, packed) : pack_interleaved(a, lda, slice, packed);
  };
  const auto pack_b = [=](const GemmSlice& slice, T* packed) {
    transpose_b ? pack_interleaved(b, ldb, slice, packed) : pack_rows(b, ldb, slice, packed);
  };
  multiply<T>(m, n, k, pack_a, pack_b, accumulate, c, ldc);
}

void multiply_f32(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<float> pack_a, GemmPack<float> pack_b,
                  bool accumulate, float* c, std::int64_t ldc) {
  multiply(m, n, k, pack_a, pack_b, accumulate, c, ldc);
}
void multiply_f64(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<double> pack_a, GemmPack<double> pack_b,
                  bool accumulate, double* c, std::int64_t ldc) {
  multiply(m, n, k, pack_a, pack_b, accumulate, c, ldc);
}
void multiply_plain_f32(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                        const float* a, std::int64_t lda, const float* b, std::int64_t ldb, bool accumulate, float* c,
                        std::int64_t ldc) {
  multiply_plain(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}
void multiply_plain_f64(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                        const double* a, std::int64_t lda, const double* b, std::int64_t ldb, bool accumulate,
                        double* c, std::int64_t ldc) {
  multiply_plain(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(multiply_plain_f32);
HWY_EXPORT(multiply_plain_f64);

namespace {

constexpr std::int64_t kThin = 3;

/// The products that have no terms, and those that have no elements.
template <class T>
bool is_trivial(std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate, T* c, std::int64_t ldc) {
  if (m > 0 && n > 0 && k > 0) return false;
  if (!accumulate) {
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T(0));
  }
  return true;
}

}  // namespace

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc) {
  if (is_trivial(m, n, k, accumulate, c, ldc)) return;
  const bool flip_a = transpose_a == Transpose::Yes;
  const bool flip_b = transpose_b == Transpose::Yes;
  // Packing a matrix pays from a few lines of the other operand on.
  if (m <= kThin) {
    for (std::int64_t i = 0; i < m; ++i) {
      gemv(n, k, b, ldb, flip_b, flip_a ? a + i : a + i * lda, flip_a ? lda : 1, accumulate, c + i * ldc, 1);
    }
    return;
  }
  if (n <= kThin) {
    for (std::int64_t j = 0; j < n; ++j) {
      gemv(m, k, a, lda, !flip_a, flip_b ? b + j * ldb : b + j, flip_b ? 1 : ldb, accumulate, c + j, ldc);
    }
    return;
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DYNAMIC_DISPATCH(multiply_plain_f32)(flip_a, flip_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
  } else {
    HWY_DYNAMIC_DISPATCH(multiply_plain_f64)(flip_a, flip_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc);
  }
}

template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<T> pack_a, GemmPack<T> pack_b,
                 bool accumulate, T* c, std::int64_t ldc) {
  if (is_trivial(m, n, k, accumulate, c, ldc)) return;
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DYNAMIC_DISPATCH(multiply_f32)(m, n, k, pack_a, pack_b, accumulate, c, ldc);
  } else {
    HWY_DYNAMIC_DISPATCH(multiply_f64)(m, n, k, pack_a, pack_b, accumulate, c, ldc);
  }
}

#define COPPICE_INSTANTIATE_GEMM(T)                                                                             \
  template void gemm<T>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t, \
                        const T*, std::int64_t, bool, T*, std::int64_t);                                        \
  template void gemm_packed<T>(std::int64_t, std::int64_t, std::int64_t, GemmPack<T>, GemmPack<T>, bool, T*,    \
                               std::int64_t);
COPPICE_INSTANTIATE_GEMM(float)
COPPICE_INSTANTIATE_GEMM(double)
#undef COPPICE_INSTANTIATE_GEMM

}  // namespace coppice::cpu
#endif  // HWY_ONCE
