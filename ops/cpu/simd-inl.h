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

/// to[i * to_stride + j] = from[j * from_stride + i] for i, j < kSquareSide.
HWY_INLINE void transpose_square(const float* HWY_RESTRICT from, std::int64_t from_stride, float* HWY_RESTRICT to,
                                 std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  *to = *from;
  static_cast<void>(from_stride + to_stride);
#else
  const hn::Full128<float> d;
  const auto row0 = hn::LoadU(d, from);
  const auto row1 = hn::LoadU(d, from + from_stride);
  const auto row2 = hn::LoadU(d, from + 2 * from_stride);
  const auto row3 = hn::LoadU(d, from + 3 * from_stride);
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

HWY_INLINE void transpose_square(const double* HWY_RESTRICT from, std::int64_t from_stride, double* HWY_RESTRICT to,
                                 std::int64_t to_stride) {
#if HWY_TARGET == HWY_SCALAR
  *to = *from;
  static_cast<void>(from_stride + to_stride);
#else
  const hn::Full128<double> d;
  const auto row0 = hn::LoadU(d, from);
  const auto row1 = hn::LoadU(d, from + from_stride);
  hn::StoreU(hn::InterleaveLower(d, row0, row1), d, to);
  hn::StoreU(hn::InterleaveUpper(d, row0, row1), d, to + to_stride);
#endif
}

/// to (columns, rows) = from (rows, columns), transposed.
template <class T>
void transpose(std::int64_t rows, std::int64_t columns, const T* HWY_RESTRICT from, std::int64_t from_stride,
               T* HWY_RESTRICT to, std::int64_t to_stride) {
  constexpr std::int64_t kSide = kSquareSide<T>;
  if (rows < kSide || columns < kSide) {
    for (std::int64_t j = 0; j < columns; ++j) {
      for (std::int64_t i = 0; i < rows; ++i) to[j * to_stride + i] = from[i * from_stride + j];
    }
    return;
  }
  // One cache line of every row at a time: what is written stays in L1 until it is whole. The runs are too short for
  // a hardware prefetcher, so the next line is asked for here. The last square in each direction overlaps the one
  // before where the size is no multiple.
  for (std::int64_t column = 0; column < columns; column += kLineElements<T>) {
    const std::int64_t column_end = std::min(column + kLineElements<T>, columns);
    for (std::int64_t next_row = 0; next_row < rows; next_row += kSide) {
      const std::int64_t row = std::min(next_row, rows - kSide);
      const T* HWY_RESTRICT source = from + row * from_stride;
      for (std::int64_t i = 0; i < kSide && column_end < columns; ++i) {
        hwy::Prefetch(source + i * from_stride + column_end);
      }
      for (std::int64_t next = column; next < column_end; next += kSide) {
        const std::int64_t j = std::min(next, columns - kSide);
        transpose_square(source + j, from_stride, to + j * to_stride + row, to_stride);
      }
    }
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
