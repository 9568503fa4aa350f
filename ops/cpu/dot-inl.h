// Dot products of a matrix's lines with a vector, once per SIMD target.

#if defined(COPPICE_OPS_CPU_DOT_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_DOT_INL_H_
#undef COPPICE_OPS_CPU_DOT_INL_H_
#else
#define COPPICE_OPS_CPU_DOT_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

/// The dot products of four lines with x.
template <class T>
HWY_INLINE void dot_four(std::int64_t depth, const T* const (&line)[4], const T* HWY_RESTRICT x, T (&sum)[4]) {
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  auto even0 = hn::Zero(d), even1 = hn::Zero(d), even2 = hn::Zero(d), even3 = hn::Zero(d);
  auto odd0 = hn::Zero(d), odd1 = hn::Zero(d), odd2 = hn::Zero(d), odd3 = hn::Zero(d);
  std::int64_t p = 0;
  for (; p + 2 * kLanes <= depth; p += 2 * kLanes) {
    const auto x0 = hn::LoadU(d, x + p);
    const auto x1 = hn::LoadU(d, x + p + kLanes);
    even0 = hn::MulAdd(hn::LoadU(d, line[0] + p), x0, even0);
    even1 = hn::MulAdd(hn::LoadU(d, line[1] + p), x0, even1);
    even2 = hn::MulAdd(hn::LoadU(d, line[2] + p), x0, even2);
    even3 = hn::MulAdd(hn::LoadU(d, line[3] + p), x0, even3);
    odd0 = hn::MulAdd(hn::LoadU(d, line[0] + p + kLanes), x1, odd0);
    odd1 = hn::MulAdd(hn::LoadU(d, line[1] + p + kLanes), x1, odd1);
    odd2 = hn::MulAdd(hn::LoadU(d, line[2] + p + kLanes), x1, odd2);
    odd3 = hn::MulAdd(hn::LoadU(d, line[3] + p + kLanes), x1, odd3);
  }
  sum[0] = hn::GetLane(hn::SumOfLanes(d, hn::Add(even0, odd0)));
  sum[1] = hn::GetLane(hn::SumOfLanes(d, hn::Add(even1, odd1)));
  sum[2] = hn::GetLane(hn::SumOfLanes(d, hn::Add(even2, odd2)));
  sum[3] = hn::GetLane(hn::SumOfLanes(d, hn::Add(even3, odd3)));
  for (; p < depth; ++p) {
    for (int i = 0; i < 4; ++i) sum[i] += line[i][p] * x[p];
  }
}

/// y (+)= the dot products with x of the lines from first to last of a matrix; `stride` from line to line.
template <class T>
void dot_lines(std::int64_t first, std::int64_t last, std::int64_t depth, const T* matrix, std::int64_t stride,
               const T* x, bool accumulate, T* y, std::int64_t y_stride) {
  for (std::int64_t i = first; i < last; i += 4) {
    // The last group repeats a line: the sum of a line must not depend on which others stand beside it.
    const T* line[4];
    for (std::int64_t j = 0; j < 4; ++j) line[j] = matrix + std::min(i + j, last - 1) * stride;
    T sum[4];
    dot_four(depth, line, x, sum);
    for (std::int64_t j = 0; j < std::min<std::int64_t>(4, last - i); ++j) {
      T& to = y[(i + j) * y_stride];
      to = accumulate ? to + sum[j] : sum[j];
    }
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
