// Packed matrix product:  C (m, n) = op(A) (m, k) · op(B) (k, n), f32 and f64.
//
// Mapping      A tile of kMaxRows × 2 vectors of C stays in registers while a block of k streams past: one load of B
//              feeds kMaxRows FMAs, one broadcast of A two. B is packed in slices of two vectors (most of L1), A in
//              blocks of rows (a third of L2). Where one block holds all of m, slices of B are packed just before their
//              only use and never leave L2; where n is small, A is read from where it lies. A last slice that would be
//              nearly empty (the 49th column of a 7 × 7 image) is done as dot products. The epilogue takes a tile's
//              part of C after its last block of k, while it is in L1.
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
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/dot-inl.h>
#include <coppice/ops/cpu/gemm_epilogue-inl.h>
#include <coppice/ops/cpu/gemm_pack-inl.h>
#include <coppice/ops/cpu/gemm_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

inline constexpr std::int64_t kSliceBytes = 24 << 10;
inline constexpr std::int64_t kBlockBytes = 192 << 10;
inline constexpr std::int64_t kMaxColumns = 4096;
/// Slices of B, each most of L1, that a thread packs before it multiplies by them.
inline constexpr std::int64_t kSlicesAtOnce = 4;
/// Up to so many columns of C, packing A costs more than reading its rows from where they lie.
inline constexpr std::int64_t kDirectColumns = 384;
/// Multiplications worth a thread of their own.
inline constexpr std::int64_t kGrainWork = std::int64_t{1} << 18;

/// A as the loops around the tiles take it: by its packing function, or where it lies.
template <class T>
struct LeftOperand {
  GemmPack<T> pack;
  const T* direct = nullptr;
  std::int64_t lda = 0;
};

/// The rows of C in tiles that differ by one row at most, so that none is mostly empty: `tall` of `rows`, then tiles of
/// one row less.
template <class T>
struct Tiling {
  Tiling(std::int64_t m, Rows layout) {
    count = divide_up(m, static_cast<std::int64_t>(kMaxRows));
    rows = divide_up(m, count);
    tall = m - count * (rows - 1);
    for (const std::int64_t less : {0, 1}) {
      const std::int64_t height = std::max(rows - less, std::int64_t{1});
      kernels[less] =
          layout == Rows::Direct ? tile_kernel<Rows::Direct, T>(height) : tile_kernel<Rows::Packed, T>(height);
    }
  }
  std::int64_t first_row(std::int64_t tile) const { return tile * rows - std::max(tile - tall, std::int64_t{0}); }
  std::int64_t height(std::int64_t tile) const { return tile < tall ? rows : rows - 1; }
  TileKernel<T> kernel(std::int64_t tile) const { return kernels[tile < tall ? 0 : 1]; }

  std::int64_t count;
  std::int64_t rows;
  std::int64_t tall;
  TileKernel<T> kernels[2];
};

/// Tiles of C that share what is packed of B, in L2.
template <class T>
struct TileBlock {
  std::int64_t first, last;
  const T* a;
  std::int64_t row_step;  ///< of A, from a tile's first row to the next tile's: this times its rows
  std::int64_t lda;       ///< where direct
};

/// A block of the summed dimension.
struct DepthBlock {
  std::int64_t start;
  std::int64_t depth;
  bool accumulate;
  bool finish;  ///< the epilogue follows
};

/// The loops around the tiles.
template <class T>
class Product {
 public:
  Product(std::int64_t m, std::int64_t n, std::int64_t k, const LeftOperand<T>& left, GemmPack<T> pack_b, T* c,
          std::int64_t ldc, const GemmEpilogue<T>& epilogue)
      : k_(k),
        left_(left),
        pack_b_(pack_b),
        c_(c),
        ldc_(ldc),
        epilogue_(epilogue),
        tiling_(m, left.direct != nullptr ? Rows::Direct : Rows::Packed) {
    // Shared out evenly, so that the last block is nearly full.
    max_depth_ = divide_up(k, divide_up(k, kSliceBytes / (kWidth * kSize)));
    // Columns that would leave most of a slice empty cost less as dot products with the rows of A.
    tail_ = left.direct != nullptr && n > kWidth && n % kWidth <= kWidth / 4 ? n % kWidth : 0;
    body_ = n - tail_;
    threads_ = m * n * k < 2 * kGrainWork ? 1 : num_threads();
    block_tiles_ = std::max(kBlockBytes / (max_depth_ * kSize * tiling_.rows), std::int64_t{1});
  }

  void run(bool accumulate) {
    // One block of rows, all of m: what is packed of B is used once.
    const bool single = tiling_.count <= block_tiles_;
    for (std::int64_t column = 0; column < body_; column += single ? body_ : kMaxColumns) {
      const std::int64_t columns = single ? body_ : std::min(body_ - column, kMaxColumns);
      for (std::int64_t start = 0; start < k_; start += max_depth_) {
        const DepthBlock block{start, std::min(k_ - start, max_depth_), accumulate || start > 0,
                               !epilogue_.is_empty() && start + max_depth_ >= k_};
        single ? multiply_single(block) : multiply_columns(block, column, columns);
      }
    }
  }

 private:
  static constexpr std::int64_t kWidth = static_cast<std::int64_t>(kVectors * hn::MaxLanes(hn::ScalableTag<T>()));
  static constexpr std::int64_t kSize = static_cast<std::int64_t>(sizeof(T));

  /// The packed rows of the tiles from first to last, one tile after another.
  void pack_tiles(std::int64_t first, std::int64_t last, const DepthBlock& at, T* packed) const {
    if (left_.direct != nullptr) return;
    const std::int64_t tall_end = std::clamp(tiling_.tall, first, last);
    const std::int64_t row = tiling_.first_row(first), mid = tiling_.first_row(tall_end), end = tiling_.first_row(last);
    if (mid > row) left_.pack({row, mid - row, at.start, at.depth, tiling_.rows}, packed);
    if (end > mid) left_.pack({mid, end - mid, at.start, at.depth, tiling_.rows - 1}, packed + (mid - row) * at.depth);
  }

  TileBlock<T> tile_block(std::int64_t first, std::int64_t last, const DepthBlock& at, const T* packed) const {
    if (left_.direct == nullptr) return {first, last, packed, at.depth, 0};
    return {first, last, left_.direct + tiling_.first_row(first) * left_.lda + at.start, left_.lda, left_.lda};
  }

  /// The last columns, packed one by one.
  Buffer<T> pack_tail(const DepthBlock& at) const {
    const Buffer<T> packed(tail_ * at.depth);
    for (std::int64_t j = 0; j < tail_; ++j) {
      pack_b_({body_ + j, 1, at.start, at.depth, 1}, packed.data() + j * at.depth);
    }
    return packed;
  }

  /// C (rows of the block, columns) from packed slices of B. Slices that fit in L1 together are taken tile by tile:
  /// then lines of C are written in longer runs.
  void multiply_block(const TileBlock<T>& block, const DepthBlock& at, const T* b, std::int64_t column,
                      std::int64_t columns) const {
    const std::int64_t together = kWidth * std::max(std::int64_t{1}, kSliceBytes / (kWidth * at.depth * kSize));
    for (std::int64_t group = 0; group < columns; group += together) {
      const std::int64_t end = std::min(group + together, columns);
      const T* a = block.a;
      T* row = c_ + tiling_.first_row(block.first) * ldc_ + column;
      for (std::int64_t tile = block.first; tile < block.last; ++tile) {
        const TileKernel<T> kernel = tiling_.kernel(tile);
        const std::int64_t height = tiling_.height(tile);
        for (std::int64_t j = group; j < end; j += kWidth) {
          kernel(at.depth, a, block.lda, b + j * at.depth, at.accumulate, row + j, ldc_, std::min(end - j, kWidth));
        }
        if (at.finish) {
          finish_product(epilogue_, tiling_.first_row(tile), column + group, height, end - group, c_, ldc_);
        }
        a += height * block.row_step;
        row += height * ldc_;
      }
    }
  }

  void multiply_tail(const TileBlock<T>& block, const DepthBlock& at, const T* packed_tail) const {
    const std::int64_t first = tiling_.first_row(block.first);
    const std::int64_t rows = tiling_.first_row(block.last) - first;
    T* const c = c_ + first * ldc_ + body_;
    for (std::int64_t j = 0; j < tail_; ++j) {
      dot_lines(0, rows, at.depth, block.a, block.lda, packed_tail + j * at.depth, at.accumulate, c + j, ldc_);
    }
    if (at.finish) finish_product(epilogue_, first, body_, rows, tail_, c_, ldc_);
  }

  /// All of C; every thread packs B for itself, a few slices at a time.
  void multiply_single(const DepthBlock& at) const {
    const std::int64_t m = tiling_.first_row(tiling_.count);
    const Buffer<T> packed_a(left_.direct != nullptr ? 0 : m * at.depth);
    parallel_for(0, tiling_.count, threads_ == 1 ? tiling_.count : divide_up(kGrainWork / 8, at.depth * tiling_.rows),
                 [&](std::int64_t first, std::int64_t last) {
                   pack_tiles(first, last, at, packed_a.data() + tiling_.first_row(first) * at.depth);
                 });
    const TileBlock<T> block = tile_block(0, tiling_.count, at, packed_a.data());
    const std::int64_t slices = divide_up(body_, kWidth);
    const std::int64_t at_once = kSlicesAtOnce * std::max(std::int64_t{1}, kSliceBytes / (kWidth * at.depth * kSize));
    parallel_for(0, slices, threads_ == 1 ? slices : divide_up(kGrainWork, at.depth * m * kWidth),
                 [&](std::int64_t first, std::int64_t last) {
                   const Buffer<T> packed_b(std::min(at_once, last - first) * kWidth * at.depth);
                   for (std::int64_t s = first; s < last; s += at_once) {
                     const std::int64_t column = s * kWidth;
                     const std::int64_t columns = std::min(std::min(s + at_once, last) * kWidth, body_) - column;
                     pack_b_({column, columns, at.start, at.depth, kWidth}, packed_b.data());
                     multiply_block(block, at, packed_b.data(), column, columns);
                   }
                 });
    multiply_tail(block, at, pack_tail(at).data());
  }

  /// Some columns of C: B is packed once for all blocks of rows.
  void multiply_columns(const DepthBlock& at, std::int64_t column, std::int64_t columns) const {
    // Several threads: smaller blocks, so that each gets some. Neither choice touches the order of a sum.
    const std::int64_t slices = divide_up(columns, kWidth);
    const std::int64_t block_tiles = std::min(block_tiles_, divide_up(tiling_.count, threads_));
    const std::int64_t blocks = divide_up(tiling_.count, block_tiles);
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
      const Buffer<T> packed_a(left_.direct != nullptr ? 0 : block_tiles * tiling_.rows * at.depth);
      for (std::int64_t task = first; task < last; ++task) {
        const std::int64_t part = task % parts;
        const std::int64_t first_tile = task / parts * block_tiles;
        const std::int64_t last_tile = std::min(first_tile + block_tiles, tiling_.count);
        const std::int64_t first_line = slices * part / parts * kWidth;
        const std::int64_t last_line = std::min(slices * (part + 1) / parts * kWidth, columns);
        pack_tiles(first_tile, last_tile, at, packed_a.data());
        const TileBlock<T> block = tile_block(first_tile, last_tile, at, packed_a.data());
        multiply_block(block, at, packed_b.data() + first_line * at.depth, column + first_line, last_line - first_line);
        if (with_tail && part == parts - 1) multiply_tail(block, at, packed_tail.data());
      }
    });
  }

  std::int64_t k_;
  const LeftOperand<T>& left_;
  GemmPack<T> pack_b_;
  T* c_;
  std::int64_t ldc_;
  const GemmEpilogue<T>& epilogue_;
  Tiling<T> tiling_;
  std::int64_t max_depth_;
  std::int64_t block_tiles_;
  std::int64_t body_, tail_;  ///< columns in slices, and after them
  std::int64_t threads_;
};

template <class T>
void multiply_plain(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
                    std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc,
                    const GemmEpilogue<T>& epilogue) {
  const auto pack_a = [=](const GemmSlice& slice, T* packed) {
    transpose_a ? pack_rows(a, lda, slice, packed) : pack_interleaved(a, lda, slice, packed);
  };
  const auto pack_b = [=](const GemmSlice& slice, T* packed) {
    transpose_b ? pack_interleaved(b, ldb, slice, packed) : pack_rows(b, ldb, slice, packed);
  };
  const bool direct = !transpose_a && n <= kDirectColumns;
  Product<T>(m, n, k, {pack_a, direct ? a : nullptr, lda}, pack_b, c, ldc, epilogue).run(accumulate);
}

template <class T>
void multiply_packed(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, GemmPack<T> pack_b,
                     bool accumulate, T* c, std::int64_t ldc, const GemmEpilogue<T>& epilogue) {
  const auto pack_a = [=](const GemmSlice& slice, T* packed) { pack_interleaved(a, lda, slice, packed); };
  Product<T>(m, n, k, {pack_a, n <= kDirectColumns ? a : nullptr, lda}, pack_b, c, ldc, epilogue).run(accumulate);
}

void multiply_f32(std::int64_t m, std::int64_t n, std::int64_t k, const float* a, std::int64_t lda,
                  GemmPack<float> pack_b, bool accumulate, float* c, std::int64_t ldc,
                  const GemmEpilogue<float>& epilogue) {
  multiply_packed(m, n, k, a, lda, pack_b, accumulate, c, ldc, epilogue);
}
void multiply_plain_f32(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                        const float* a, std::int64_t lda, const float* b, std::int64_t ldb, bool accumulate, float* c,
                        std::int64_t ldc, const GemmEpilogue<float>& epilogue) {
  multiply_plain(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc, epilogue);
}
void finish_f32(const GemmEpilogue<float>& epilogue, std::int64_t m, std::int64_t n, float* c, std::int64_t ldc) {
  if (!epilogue.is_empty()) finish_product<float>(epilogue, 0, 0, m, n, c, ldc);
}
void multiply_f64(std::int64_t m, std::int64_t n, std::int64_t k, const double* a, std::int64_t lda,
                  GemmPack<double> pack_b, bool accumulate, double* c, std::int64_t ldc,
                  const GemmEpilogue<double>& epilogue) {
  multiply_packed(m, n, k, a, lda, pack_b, accumulate, c, ldc, epilogue);
}
void multiply_plain_f64(bool transpose_a, bool transpose_b, std::int64_t m, std::int64_t n, std::int64_t k,
                        const double* a, std::int64_t lda, const double* b, std::int64_t ldb, bool accumulate,
                        double* c, std::int64_t ldc, const GemmEpilogue<double>& epilogue) {
  multiply_plain(transpose_a, transpose_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc, epilogue);
}
void finish_f64(const GemmEpilogue<double>& epilogue, std::int64_t m, std::int64_t n, double* c, std::int64_t ldc) {
  if (!epilogue.is_empty()) finish_product<double>(epilogue, 0, 0, m, n, c, ldc);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply_f32);
HWY_EXPORT(multiply_f64);
HWY_EXPORT(multiply_plain_f32);
HWY_EXPORT(multiply_plain_f64);
HWY_EXPORT(finish_f32);
HWY_EXPORT(finish_f64);

namespace {

constexpr std::int64_t kThin = 3;

/// The epilogue of a product that no tile's loop finishes.
template <class T>
void finish(const GemmEpilogue<T>& epilogue, std::int64_t m, std::int64_t n, T* c, std::int64_t ldc) {
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DYNAMIC_DISPATCH(finish_f32)(epilogue, m, n, c, ldc);
  } else {
    HWY_DYNAMIC_DISPATCH(finish_f64)(epilogue, m, n, c, ldc);
  }
}

/// The products that have no terms, and those that have no elements.
template <class T>
bool is_trivial(std::int64_t m, std::int64_t n, std::int64_t k, bool accumulate, T* c, std::int64_t ldc,
                const GemmEpilogue<T>& epilogue) {
  if (m > 0 && n > 0 && k > 0) return false;
  if (!accumulate) {
    for (std::int64_t i = 0; i < m; ++i) std::fill_n(c + i * ldc, n, T(0));
  }
  finish(epilogue, m, n, c, ldc);
  return true;
}

}  // namespace

template <class T>
void gemm(Transpose transpose_a, Transpose transpose_b, std::int64_t m, std::int64_t n, std::int64_t k, const T* a,
          std::int64_t lda, const T* b, std::int64_t ldb, bool accumulate, T* c, std::int64_t ldc,
          const GemmEpilogue<T>& epilogue) {
  if (is_trivial(m, n, k, accumulate, c, ldc, epilogue)) return;
  const bool flip_a = transpose_a == Transpose::Yes;
  const bool flip_b = transpose_b == Transpose::Yes;
  // Packing a matrix pays from a few lines of the other operand on.
  if (m <= kThin) {
    for (std::int64_t i = 0; i < m; ++i) {
      gemv(n, k, b, ldb, flip_b, flip_a ? a + i : a + i * lda, flip_a ? lda : 1, accumulate, c + i * ldc, 1);
    }
    return finish(epilogue, m, n, c, ldc);
  }
  if (n <= kThin) {
    for (std::int64_t j = 0; j < n; ++j) {
      gemv(m, k, a, lda, !flip_a, flip_b ? b + j * ldb : b + j, flip_b ? 1 : ldb, accumulate, c + j, ldc);
    }
    return finish(epilogue, m, n, c, ldc);
  }
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DYNAMIC_DISPATCH(multiply_plain_f32)(flip_a, flip_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc, epilogue);
  } else {
    HWY_DYNAMIC_DISPATCH(multiply_plain_f64)(flip_a, flip_b, m, n, k, a, lda, b, ldb, accumulate, c, ldc, epilogue);
  }
}

template <class T>
void gemm_packed(std::int64_t m, std::int64_t n, std::int64_t k, const T* a, std::int64_t lda, GemmPack<T> pack_b,
                 bool accumulate, T* c, std::int64_t ldc, const GemmEpilogue<T>& epilogue) {
  if (is_trivial(m, n, k, accumulate, c, ldc, epilogue)) return;
  if constexpr (sizeof(T) == sizeof(float)) {
    HWY_DYNAMIC_DISPATCH(multiply_f32)(m, n, k, a, lda, pack_b, accumulate, c, ldc, epilogue);
  } else {
    HWY_DYNAMIC_DISPATCH(multiply_f64)(m, n, k, a, lda, pack_b, accumulate, c, ldc, epilogue);
  }
}

#define COPPICE_INSTANTIATE_GEMM(T)                                                                                 \
  template void gemm<T>(Transpose, Transpose, std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t,     \
                        const T*, std::int64_t, bool, T*, std::int64_t, const GemmEpilogue<T>&);                    \
  template void gemm_packed<T>(std::int64_t, std::int64_t, std::int64_t, const T*, std::int64_t, GemmPack<T>, bool, \
                               T*, std::int64_t, const GemmEpilogue<T>&);
COPPICE_INSTANTIATE_GEMM(float)
COPPICE_INSTANTIATE_GEMM(double)
#undef COPPICE_INSTANTIATE_GEMM

}  // namespace coppice::cpu
#endif  // HWY_ONCE
