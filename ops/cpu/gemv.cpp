// Matrix · vector, f32 and f64: nothing of the matrix is used twice, so nothing is packed.
//
// Mapping      Lines that lie along the summed dimension: dot products, four lines at a time. Lines across it: the
//              output, a block of which stays in L1, takes four rows of the matrix at a time.
// Bound        reading the matrix once.
// Deterministic yes: lanes and their final sum have one order.

#include <coppice/ops/cpu/gemv.h>

#include <coppice/core/parallel.h>
#include <coppice/core/storage.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "coppice/ops/cpu/gemv.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>

#include <coppice/ops/cpu/dot-inl.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// y[j] += Σ x[p] · row p [j] for the vector of columns at j: the same roundings whatever its width.
template <std::size_t kRows, class D, class T = hn::TFromD<D>>
HWY_INLINE void add_columns(D d, const T* HWY_RESTRICT row, std::int64_t stride, const T* HWY_RESTRICT x,
                            T* HWY_RESTRICT y) {
  auto sum = hn::LoadU(d, y);
  unroll<kRows>([&](auto i) HWY_ATTR {
    sum = hn::MulAdd(hn::Set(d, x[i]), hn::LoadU(d, row + static_cast<std::int64_t>(i()) * stride), sum);
  });
  hn::StoreU(sum, d, y);
}

template <std::size_t kRows, class T>
HWY_INLINE void add_lines(std::int64_t columns, const T* HWY_RESTRICT row, std::int64_t stride, const T* HWY_RESTRICT x,
                          T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  T factors[kRows];  // known not to change with y
  for (std::size_t i = 0; i < kRows; ++i) factors[i] = x[i];
  std::int64_t j = 0;
  for (; j + kLanes <= columns; j += kLanes) add_columns<kRows>(d, row + j, stride, factors, y + j);
  for (; j < columns; ++j) add_columns<kRows>(hn::CappedTag<T, 1>(), row + j, stride, factors, y + j);
}

/// y += Σ x[p] · row p, for the columns from first to last; y is contiguous.
template <class T>
void add_rows(std::int64_t first, std::int64_t last, std::int64_t depth, const T* matrix, std::int64_t stride,
              const T* HWY_RESTRICT x, T* HWY_RESTRICT y) {
  std::int64_t p = 0;
  for (; p + 4 <= depth; p += 4) add_lines<4>(last - first, matrix + p * stride + first, stride, x + p, y + first);
  for (; p < depth; ++p) add_lines<1>(last - first, matrix + p * stride + first, stride, x + p, y + first);
}

template <class T>
void multiply_vector(std::int64_t lines, std::int64_t depth, const T* matrix, std::int64_t stride,
                     bool lines_contiguous, const T* x, std::int64_t x_stride, bool accumulate, T* y,
                     std::int64_t y_stride) {
  constexpr std::int64_t kGrainWork = std::int64_t{1} << 16;
  constexpr std::int64_t kColumnBlock = 2048;
  Buffer<T> copied_x;
  if (x_stride != 1) {
    copied_x = Buffer<T>(depth);
    for (std::int64_t p = 0; p < depth; ++p) copied_x[p] = x[p * x_stride];
    x = copied_x.data();
  }
  const std::int64_t grain = std::max<std::int64_t>(64, kGrainWork / depth);
  if (lines_contiguous) {
    parallel_for(0, lines, grain, [&](std::int64_t first, std::int64_t last) {
      dot_lines(first, last, depth, matrix, stride, x, accumulate, y, y_stride);
    });
    return;
  }
  Buffer<T> copied_y;
  if (y_stride != 1) copied_y = Buffer<T>(lines);
  T* sums = y_stride != 1 ? copied_y.data() : y;
  parallel_for(0, lines, grain, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t block = first; block < last; block += kColumnBlock) {
      const std::int64_t end = std::min(block + kColumnBlock, last);
      for (std::int64_t j = block; j < end; ++j) sums[j] = accumulate ? y[j * y_stride] : T(0);
      add_rows(block, end, depth, matrix, stride, x, sums);
      if (y_stride != 1) {
        for (std::int64_t j = block; j < end; ++j) y[j * y_stride] = sums[j];
      }
    }
  });
}

void multiply_vector_f32(std::int64_t lines, std::int64_t depth, const float* matrix, std::int64_t stride,
                         bool lines_contiguous, const float* x, std::int64_t x_stride, bool accumulate, float* y,
                         std::int64_t y_stride) {
  multiply_vector(lines, depth, matrix, stride, lines_contiguous, x, x_stride, accumulate, y, y_stride);
}
void multiply_vector_f64(std::int64_t lines, std::int64_t depth, const double* matrix, std::int64_t stride,
                         bool lines_contiguous, const double* x, std::int64_t x_stride, bool accumulate, double* y,
                         std::int64_t y_stride) {
  multiply_vector(lines, depth, matrix, stride, lines_contiguous, x, x_stride, accumulate, y, y_stride);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(multiply_vector_f32);
HWY_EXPORT(multiply_vector_f64);

template <>
void gemv<float>(std::int64_t lines, std::int64_t depth, const float* matrix, std::int64_t stride,
                 bool lines_contiguous, const float* x, std::int64_t x_stride, bool accumulate, float* y,
                 std::int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(multiply_vector_f32)
  (lines, depth, matrix, stride, lines_contiguous, x, x_stride, accumulate, y, y_stride);
}
template <>
void gemv<double>(std::int64_t lines, std::int64_t depth, const double* matrix, std::int64_t stride,
                  bool lines_contiguous, const double* x, std::int64_t x_stride, bool accumulate, double* y,
                  std::int64_t y_stride) {
  HWY_DYNAMIC_DISPATCH(multiply_vector_f64)
  (lines, depth, matrix, stride, lines_contiguous, x, x_stride, accumulate, y, y_stride);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
