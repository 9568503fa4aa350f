#pragma once

#include <cstdint>

namespace coppice::cpu {

/// y (lines) = M · x, plus y if `accumulate`; elements of x and y `x_stride` and `y_stride` apart.
///
/// Element (line, p) of M, p < depth, is matrix[line * stride + p] if `lines_contiguous`, else
/// matrix[p * stride + line]. f32 and f64. Parallel over lines; the order of every sum depends on `depth` alone.
template <class T>
void gemv(std::int64_t lines, std::int64_t depth, const T* matrix, std::int64_t stride, bool lines_contiguous,
          const T* x, std::int64_t x_stride, bool accumulate, T* y, std::int64_t y_stride);

}  // namespace coppice::cpu
