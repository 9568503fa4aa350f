// What the kernels of several ops share, once per SIMD target.

#if defined(COPPICE_OPS_CPU_SIMD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_SIMD_INL_H_
#undef COPPICE_OPS_CPU_SIMD_INL_H_
#else
#define COPPICE_OPS_CPU_SIMD_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <utility>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// Calls body(integral_constant i) for i < n; indices are constants, so arrays they index stay in registers.
template <std::size_t n, class Body>
HWY_INLINE void unroll(Body&& body) {
  [&]<std::size_t... i>(std::index_sequence<i...>) HWY_ATTR { (body(std::integral_constant<std::size_t, i>{}), ...); }
  (std::make_index_sequence<n>{});
}

/// Elements of a cache line.
template <class T>
inline constexpr std::int64_t kLineElements = 64 / static_cast<std::int64_t>(sizeof(T));

/// The side of the square that transpose_square moves.
template <class T>
inline constexpr std::int64_t kSquareSide = HWY_TARGET == HWY_SCALAR ? 1 : 16 / static_cast<std::int64_t>(sizeof(T));

#if HWY_TARGET != HWY_SCALAR
/// A vector whose 16-byte blocks lie `stride` elements apart.
template <class D, class T = hn::TFromD<D>>
HWY_INLINE hn::Vec<D> load_blocks(D d, const T* HWY_RESTRICT from, std::int64_t stride) {
  constexpr std::int64_t kBlocks = static_cast<std::int64_t>(hn::MaxLanes(D()) * sizeof(T) / 16);
  if constexpr (kBlocks == 1) {
    return hn::LoadU(d, from);
  } else {
    const hn::Half<D> half;
    return hn::Combine(d, load_blocks(half, from + kBlocks / 2 * stride, stride), load_blocks(half, from, stride));
  }
}
#endif

/// to[i * to_stride + j] = from[j * from_stride + i] for i < kSquareSide and j < the lanes of D.
template <class D>
HWY_INLINE void transpose_lanes(D d, const float* HWY_RESTRICT from, std::int64_t from_stride, float* HWY_RESTRICT to,
                                std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  *to = *from;
  static_cast<void>(d);
  static_cast<void>(from_stride + to_stride);
#else
  const auto row0 = load_blocks(d, from, 4 * from_stride);
  const auto row1 = load_blocks(d, from + from_stride, 4 * from_stride);
  const auto row2 = load_blocks(d, from + 2 * from_stride, 4 * from_stride);
  const auto row3 = load_blocks(d, from + 3 * from_stride, 4 * from_stride);
  const auto low02 = hn::InterleaveLower(d, row0, row2);
  const auto low13 = hn::InterleaveLower(d, row1, row3);
  const auto high02 = hn::InterleaveUpper(d, row0, row2);
  const auto high13 = hn::InterleaveUpper(d, row1, row3);
  hn::StoreU(hn::InterleaveLower(d, low02, low13), d, to);
  hn::StoreU(hn::InterleaveUpper(d, low02, low13), d, to + to_stride);
  hn::StoreU(hn::InterleaveLower(d, high02, high13), d, to + 2 * to_stride);
  hn::StoreU(hn::InterleaveUpper(d, high02, high13), d, to + 3 * to_stride);
#endif
}

template <class D>
HWY_INLINE void transpose_lanes(D d, const double* HWY_RESTRICT from, std::int64_t from_stride, double* HWY_RESTRICT to,
                                std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  *to = *from;
  static_cast<void>(d);
  static_cast<void>(from_stride + to_stride);
#else
  const auto row0 = load_blocks(d, from, 2 * from_stride);
  const auto row1 = load_blocks(d, from + from_stride, 2 * from_stride);
  hn::StoreU(hn::InterleaveLower(d, row0, row1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, row0, row1), d, to + to_stride);
#endif
}

/// Transposes in strips of as many rows as D has lanes; there are at least that many, and kSquareSide columns.
template <class D, class T>
void transpose_strips(D d, std::int64_t rows, std::int64_t columns, const T* HWY_RESTRICT from,
                      std::int64_t from_stride, T* HWY_RESTRICT to, std::int64_t to_stride) {
  constexpr std::int64_t kSide = kSquareSide<T>;
  constexpr std::int64_t kRows = static_cast<std::int64_t>(hn::MaxLanes(D()));
  constexpr std::int64_t kLine = kLineElements<T>;
  // One cache line of every row at a time: what is written stays in L1 until it is whole. The runs are too short for
  // a hardware prefetcher, so the next line is asked for here. The last strip in each direction overlaps the one
  // before where the size is no multiple.
  for (std::int64_t column = 0; column < columns; column += kLine) {
    T* HWY_RESTRICT target = to + column * to_stride;
    for (std::int64_t next_row = 0; next_row < rows; next_row += kRows) {
      const std::int64_t row = std::min(next_row, rows - kRows);
      const T* HWY_RESTRICT source = from + row * from_stride + column;
      if (column + kLine <= columns) [[likely]] {
        unroll<static_cast<std::size_t>(kRows)>(
            [&](auto i) HWY_ATTR { hwy::Prefetch(source + static_cast<std::int64_t>(i()) * from_stride + kLine); });
        unroll<static_cast<std::size_t>(kLine / kSide)>([&](auto i) HWY_ATTR {
          constexpr std::int64_t j = static_cast<std::int64_t>(i()) * kSide;
          transpose_lanes(d, source + j, from_stride, target + j * to_stride + row, to_stride);
        });
      } else {
        for (std::int64_t next = 0; next < columns - column; next += kSide) {
          const std::int64_t j = std::min(next, columns - column - kSide);
          transpose_lanes(d, source + j, from_stride, target + j * to_stride + row, to_stride);
        }
      }
    }
  }
}

/// to (columns, rows) = from (rows, columns), transposed.
template <class T>
void transpose(std::int64_t rows, std::int64_t columns, const T* HWY_RESTRICT from, std::int64_t from_stride,
               T* HWY_RESTRICT to, std::int64_t to_stride) {
  constexpr std::int64_t kSide = kSquareSide<T>;
  const hn::ScalableTag<T> d;
  if (columns >= kSide && rows >= static_cast<std::int64_t>(hn::MaxLanes(d))) {
    return transpose_strips(d, rows, columns, from, from_stride, to, to_stride);
  }
  if (columns >= kSide && rows >= kSide) {
    return transpose_strips(hn::CappedTag<T, kSide>(), rows, columns, from, from_stride, to, to_stride);
  }
  for (std::int64_t j = 0; j < columns; ++j) {
    for (std::int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
  }
}

#if HWY_TARGET != HWY_SCALAR
/// The sum of a vector's 16-byte blocks.
template <class D>
HWY_INLINE auto sum_blocks(D, hn::Vec<D> v) {
  if constexpr (hn::MaxLanes(D()) * sizeof(hn::TFromD<D>) == 16) {
    return v;
  } else {
    const hn::Half<D> half;
    return sum_blocks(half, hn::Add(hn::LowerHalf(half, v), hn::UpperHalf(half, v)));
  }
}

/// The sums over lanes of as many vectors as a 16-byte block has lanes, in order.
template <class D>
HWY_INLINE auto sum_lanes(D d, const hn::Vec<D> (&v)[4]) {
  const auto even = hn::Add(hn::InterleaveLower(d, v[0], v[2]), hn::InterleaveUpper(d, v[0], v[2]));
  const auto odd = hn::Add(hn::InterleaveLower(d, v[1], v[3]), hn::InterleaveUpper(d, v[1], v[3]));
  return sum_blocks(d, hn::Add(hn::InterleaveLower(d, even, odd), hn::InterleaveUpper(d, even, odd)));
}
template <class D>
HWY_INLINE auto sum_lanes(D d, const hn::Vec<D> (&v)[2]) {
  return sum_blocks(d, hn::Add(hn::InterleaveLower(d, v[0], v[1]), hn::InterleaveUpper(d, v[0], v[1])));
}
#endif

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
