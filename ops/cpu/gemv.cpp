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

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// y = Σ x[p] · row p, for the columns from first to last; y is contiguous.
template <class T>
void add_rows(std::int64_t first, std::int64_t last, std::int64_t depth, const T* matrix, std::int64_t stride,
              const T* HWY_RESTRICT x, T* HWY_RESTRICT y) {
  const hn::ScalableTag<T> d;
  constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(d));
  std::int64_t p = 0;
  for (; p + 4 <= depth; p += 4) {
    const T* row = matrix + p * stride;
    const auto x0 = hn::Set(d, x[p]);
    const auto x1 = hn::Set(d, x[p + 1]);
    const auto x2 = hn::Set(d, x[p + 2]);
    const auto x3 = hn::Set(d, x[p + 3]);
    std::int64_t j = first;
    for (; j + kLanes <= last; j += kLanes) {
      auto sum = hn::MulAdd(x0, hn::LoadU(d, row + j), hn::LoadU(d, y + j));
      sum = hn::MulAdd(x1, hn::LoadU(d, row + stride + j), sum);
      sum = hn::MulAdd(x2, hn::LoadU(d, row + 2 * stride + j), sum);
      sum = hn::MulAdd(x3, hn::LoadU(d, row + 3 * stride + j), sum);
      hn::StoreU(sum, d, y + j);
    }
    for (; j < last; ++j) {
      // One lane of the same operations: columns at the end of a part round as those within.
      const hn::CappedTag<T, 1> one;
      auto sum = hn::LoadU(one, y + j);
      for (std::int64_t i = 0; i < 4; ++i) {
        sum = hn::MulAdd(hn::Set(one, x[p + i]), hn::LoadU(one, row + i * stride + j), sum);
      }
      hn::StoreU(sum, one, y + j);
    }
  }
  for (; p < depth; ++p) {
    const hn::CappedTag<T, 1> one;
    for (std::int64_t j = first; j < last; ++j) {
      const auto sum = hn::MulAdd(hn::Set(one, x[p]), hn::LoadU(one, matrix + p * stride + j), hn::LoadU(one, y + j));
      hn::StoreU(sum, one, y + j);
    }
  }
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
