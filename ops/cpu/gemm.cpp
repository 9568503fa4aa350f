// Packed matrix product:  C (m, n) = op(A) (m, k) · op(B) (k, n), f32 and f64.
//
// Mapping      A tile of kMaxRows × 2 vectors of C stays in registers while a block of k streams past: one load of B
//              feeds kMaxRows FMAs, one broadcast of A two. B is packed in slices of two vectors (most of L1), A in
//              blocks of rows (a third of L2). Where one block holds all of m, slices of B are packed just before their
//              only use and never leave L2; where n is small, A is read from where it lies. A last slice that would be
//              nearly empty (the 49th column of a 7 × 7 image) is done as dot products.
// Work         2·m·n·k FLOP; packing reads A and B once each per block of the other and writes as much again.
// Bound        FMA throughput; packing B shows where m is below about 100.
// Deterministic yes: an element of C is summed in order of k, a block at a time; columns done as dot products are those
//              that n says, whatever the threads.
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

#include <coppice/ops/cpu/dot-inl.h>
#include <coppice/ops/cpu/gemm_pack-inl.h>
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
/// Slices of B, each most of L1, that a thread packs before it multiplies by them.
inline constexpr std::int64_t kSlicesAtOnce = 4;
/// Up to so many columns of C, packing A costs more than reading its rows from where they lie.
inline constexpr std::int64_t kDirectColumns = 384;
/// Multiplications worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 18;

/// Rows of A as they lie in memory, or as packed: kRows next to each other at every p.
enum class Rows { Packed, Direct };

/// Part of one tile's C, `rows` × `columns` of the kRows × 2 vectors computed. Rows of A `lda` apart where direct.
template <std::size_t kRows, Rows kLayout, class T>
void multiply_tile(std::int64_t depth, const T* HWY_RESTRICT a, std::int64_t lda, const T* HWY_RESTRICT b,
                   bool accumulate, T* HWY_RESTRICT c, std::int64_t ldc, std::int64_t rows, std::int64_t columns) {
  const hn::ScalableTag<T> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kLanes = hn::MaxLanes(d);
  constexpr std::size_t kWidth = kVectors * kLanes;
  for (std::int64_t r = 0; r < rows; ++r) hwy::Prefetch(c + r * ldc);  // needed when the sums are complete
  const T* lines[kRows];
  if constexpr (kLayout == Rows::Direct) {  // rows past the last repeat it
    unroll<kRows>([&](auto r) { lines[r] = a + std::min(static_cast<std::int64_t>(r()), rows - 1) * lda; });
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
  if (rows == static_cast<std::int64_t>(kRows) && columns == static_cast<std::int64_t>(kWidth)) {
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
using TileKernel = void (*)(std::int64_t, const T*, std::int64_t, const T*, bool, T*, std::int64_t, std::int64_t,
                            std::int64_t);

/// The kernel for tiles of `rows` rows, 1 to kMaxRows.
template <Rows kLayout, class T>
TileKernel<T> tile_kernel(std::int64_t rows) {
  static constexpr auto kTable = []<std::size_t... i>(std::index_sequence<i...>) {
    return std::array<TileKernel<T>, sizeof...(i)>{&multiply_tile<i + 1, kLayout, T>...};
  }
  (std::make_index_sequence<kMaxRows>{});
  return kTable[static_cast<std::size_t>(rows - 1)];
}

/// A as the loops around the tiles take it: by its packing function, or where it lies.
template <class T>
struct LeftOperand {
  GemmPack<T> pack;
  const T* direct = nullptr;
  std::int64_t lda = 0;
};

/// Rows of C that share what is packed of B, in L2.
template <class T>
struct RowBlock {
  const T* a;         ///< the first tile's
  std::int64_t lda;   ///< where direct
  std::int64_t step;  ///< of A from tile to tile
  std::int64_t tile;  ///< rows of one
  std::int64_t rows;
};

/// C (rows of the block, columns) from packed slices of B. Slices that fit in L1 together are taken tile by tile: then
/// lines of C are written in longer runs.
template <class T>
void multiply_block(TileKernel<T> kernel, const RowBlock<T>& block, std::int64_t depth, const T* b, std::int64_t width,
                    bool accumulate, T* c, std::int64_t ldc, std::int64_t columns) {
  const std::int64_t together =
      width * std::max(std::int64_t{1}, kSliceBytes / (width * depth * static_cast<std::int64_t>(sizeof(T))));
  for (std::int64_t group = 0; group < columns; group += together) {
    const std::int64_t end = std::min(group + together, columns);
    const T* a = block.a;
    for (std::int64_t i = 0; i < block.rows; i += block.tile, a += block.step) {
      for (std::int64_t j = group; j < end; j += width) {
        kernel(depth, a, block.lda, b + j * depth, accumulate, c + i * ldc + j, ldc,
               std::min(block.rows - i, block.tile), std::min(end - j, width));
      }
    }
  }
}

/// A block of the summed dimension.
struct DepthBlock {
  std::int64_t start;
  std::int64_t depth;
  bool accumulate;
};

/// The loops around the tiles.
template <class T>
class Product {
 public:
  Product(std::int64_t m, std::int64_t n, std::int64_t k, const LeftOperand<T>& left, GemmPack<T> pack_b, T* c,
          std::int64_t ldc)
      : m_(m), k_(k), left_(left), pack_b_(pack_b), c_(c), ldc_(ldc) {
    const bool direct = left.direct != nullptr;
    // Depth and rows are shared out evenly, so that the last block and the last tile are nearly full.
    max_depth_ = divide_up(k, divide_up(k, kSliceBytes / (kWidth * kSize)));
    rows_ = divide_up(m, divide_up(m, static_cast<std::int64_t>(kMaxRows)));
    tiles_ = divide_up(m, rows_);
    kernel_ = direct ? tile_kernel<Rows::Direct, T>(rows_) : tile_kernel<Rows::Packed, T>(rows_);
    // Columns that would leave most of a slice empty cost less as dot products with the rows of A.
    tail_ = direct && n > kWidth && n % kWidth <= kWidth / 4 ? n % kWidth : 0;
    body_ = n - tail_;
    threads_ = m * n * k < 2 * kGrainWork ? 1 : num_threads();
    block_tiles_ = std::max(kBlockBytes / (max_depth_ * kSize * rows_), std::int64_t{1});
  }

  void run(bool accumulate) {
    // One block of rows, all of m: what is packed of B is used once.
    const bool single = tiles_ <= block_tiles_;
    for (std::int64_t column = 0; column < body_; column += single ? body_ : kMaxColumns) {
      const std::int64_t columns = single ? body_ : std::min(body_ - column, kMaxColumns);
      for (std::int64_t start = 0; start < k_; start += max_depth_) {
        const DepthBlock block{start, std::min(k_ - start, max_depth_), accumulate || start > 0};
        single ? multiply_single(block) : multiply_columns(block, column, columns);
      }
    }
  }

 private:
  static constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors * hn::MaxLanes(hn::ScalableTag<T>()));
  static constexpr std::int64_t kSize = static_cast<std::int64_t>(sizeof(T));

  void pack_tiles(std::int64_t first_tile, std::int64_t count, const DepthBlock& at, T* packed) const {
    if (left_.direct != nullptr) return;
    const std::int64_t first = first_tile * rows_;
    left_.pack({first, std::min(count * rows_, m_ - first), at.start, at.depth, rows_}, packed);
  }

  RowBlock<T> row_block(std::int64_t first_tile, std::int64_t count, const DepthBlock& at, const T* packed) const {
    const std::int64_t first = first_tile * rows_;
    const std::int64_t rows = std::min(count * rows_, m_ - first);
    if (left_.direct == nullptr) return {packed, 0, rows_ * at.depth, rows_, rows};
    return {left_.direct + first * left_.lda + at.start, left_.lda, rows_ * left_.lda, rows_, rows};
  }

  /// The last columns, packed one by one.
  Buffer<T> pack_tail(const DepthBlock& at) const {
    const Buffer<T> packed(tail_ * at.depth);
    for (std::int64_t j = 0; j < tail_; ++j) {
      pack_b_({body_ + j, 1, at.start, at.depth, 1}, packed.data() + j * at.depth);
    }
    return packed;
  }

  void multiply_tail(const RowBlock<T>& block, const DepthBlock& at, const T* packed_tail, T* c) const {
    for (std::int64_t j = 0; j < tail_; ++j) {
      dot_lines(0, block.rows, at.depth, block.a, block.lda, packed_tail + j * at.depth, at.accumulate, c + body_ + j,
                ldc_);
    }
  }

  /// All of C; every thread packs B for itself, a few slices at a time.
  void multiply_single(const DepthBlock& at) const {
    const Buffer<T> packed_a(left_.direct != nullptr ? 0 : tiles_ * rows_ * at.depth);
    parallel_for(0, tiles_, threads_ == 1 ? tiles_ : divide_up(kGrainWork / 8, at.depth * rows_),
                 [&](std::int64_t first, std::int64_t last) {
                   pack_tiles(first, last - first, at, packed_a.data() + first * rows_ * at.depth);
                 });
    const RowBlock<T> block = row_block(0, tiles_, at, packed_a.data());
    const std::int64_t slices = divide_up(body_, kWidth);
    const std::int64_t at_once = kSlicesAtOnce * std::max(std::int64_t{1}, kSliceBytes / (kWidth * at.depth * kSize));
    parallel_for(0, slices, threads_ == 1 ? slices : divide_up(kGrainWork, at.depth * m_ * kWidth),
                 [&](std::int64_t first, std::int64_t last) {
                   const Buffer<T> packed_b(std::min(at_once, last - first) * kWidth * at.depth);
                   for (std::int64_t s = first; s < last; s += at_once) {
                     const std::int64_t column = s * kWidth;
                     const std::int64_t columns = std::min(std::min(s + at_once, last) * kWidth, body_) - column;
                     pack_b_({column, columns, at.start, at.depth, kWidth}, packed_b.data());
                     multiply_block(kernel_, block, at.depth, packed_b.data(), kWidth, at.accumulate, c_ + column, ldc_,
                                    columns);
                   }
                 });
    multiply_tail(block, at, pack_tail(at).data(), c_);
  }

  /// Some columns of C: B is packed once for all blocks of rows.
  void multiply_columns(const DepthBlock& at, std::int64_t column, std::int64_t columns) const {
    // Several threads: smaller blocks, so that each gets some. Neither choice touches the order of a sum.
    const std::int64_t slices = divide_up(columns, kWidth);
    const std::int64_t block_tiles = std::min(block_tiles_, divide_up(tiles_, threads_));
    const std::int64_t blocks = divide_up(tiles_, block_tiles);
    const std::int64_t parts = blocks >= threads_ ? 1 : std::min(divide_up(threads_, blocks), slices);
    const Buffer<T> packed_b(slices * kWidth * at.depth);
    parallel_for(0, slices, threads_ == 1 ? slices : divide_up(kGrainWork / 8, at.depth * kWidth),
                 [&](std::int64_t first, std::int64_t last) {
                   const std::int64_t line = first * kWidth;
                   pack_b_({column + line, std::min(columns, last * kWidth) - line, at.start, at.depth, kWidth},
                           packed_b.data() + line * at.depth);
                 });
    const bool with_tail = column + columns == body_;
    const Buffer<T> packed_tail = with_tail ? pack_tail(at) : Buffer<T>();
    parallel_for(0, blocks * parts, threads_ == 1 ? blocks * parts : 1, [&](std::int64_t first, std::int64_t last) {
      const Buffer<T> packed_a(left_.direct != nullptr ? 0 : block_tiles * rows_ * at.depth);
      for (std::int64_t task = first; task < last; ++task) {
        const std::int64_t part = task % parts;
        const std::int64_t first_tile = task / parts * block_tiles;
        const std::int64_t count = std::min(block_tiles, tiles_ - first_tile);
        const std::int64_t first_line = slices * part / parts * kWidth;
        const std::int64_t last_line = std::min(slices * (part + 1) / parts * kWidth, columns);
        pack_tiles(first_tile, count, at, packed_a.data());
        const RowBlock<T> block = row_block(first_tile, count, at, packed_a.data());
        T* const c = c_ + first_tile * rows_ * ldc_;
        multiply_block(kernel_, block, at.depth, packed_b.data() + first_line * at.depth, kWidth, at.accumulate,
                       c + column + first_line, ldc_, last_line - first_line);
        if (with_tail && part == parts - 1) multiply_tail(block, at, packed_tail.data(), c);
      }
    });
  }

  std::int64_t m_, k_;
  const LeftOperand<T>& left_;
  GemmPack<T> pack_b_;
  T* c_;
  std::int64_t ldc_;
  TileKernel<T> kernel_;
  std::int64_t max_depth_;
  std::int64_t rows_;   ///< of a tile
  std::int64_t tiles_;  ///< that cover m
  std::int64_t block_tiles_;
  std::int64_t body_, tail_;  ///< columns in slices, and after them
  std::int64_t threads_;
};

template <class T>
void multiply_plain(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc) {
  const auto pack_a = [=](const GemmSlice& slice, T* packed) {
    transpose_a ? pack_rows(a, lda, slice, packed) : pack_interleaved(a, lda, slice, packed);
  };
  const auto pack_b = [=](const GemmSlice& slice, T* packed) {
    transpose_b ? pack_interleaved(b, ldb, slice, packed) : pack_rows(b, ldb, slice, packed);
  };
  const bool direct = !transpose_a && n <= kDirectColumns;
  Product<T>(m, n, k, {pack_a, direct ? a : nullptr, lda}, pack_b, c, ldc).run(accumulate);
}

void multiply_f32(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<float> pack_a, GemmPack<float> pack_b,
                  bool accumulate, float* c, std::int64_t ldc) {
  Product<float>(m, n, k, {pack_a}, pack_b, c, ldc).run(accumulate);
}
void multiply_f64(std::int64_t m, std::int64_t n, std::int64_t k, GemmPack<double> pack_a, GemmPack<double> pack_b,
                  bool accumulate, double* c, std::int64_t ldc) {
  Product<double>(m, n, k, {pack_a}, pack_b, c, ldc).run(accumulate);
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
