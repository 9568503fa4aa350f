#pragma once

#include <cstdint>

#include <coppice/core/storage.h>

namespace coppice::cpu {

/// One output row or column: its window begins at `start`, perhaps in the padding; of its elements, every `step`-th,
/// those in [first, last) lie inside the image; `extent` is what it counts for in a mean's divisor.
struct PoolWindow {
  std::int64_t start, first, last, extent;
};

/// Pooling of `planes` images of height × width: one window per output row and per output column, equally spaced for
/// maxima.
struct Pool2dGeometry {
  std::int64_t planes, height, width;
  std::int64_t kernel_h, kernel_w;
  std::int64_t step_h, step_w;  ///< dilation
  Buffer<PoolWindow> rows, columns;

  std::int64_t out_h() const { return rows.size(); }
  std::int64_t out_w() const { return columns.size(); }
  std::int64_t out_pixels() const { return out_h() * out_w(); }
};

// Threads take whole planes, and every sum within a plane has one order: deterministic. T is f32 or f64; Index (u8 or
// i32) holds a position within a window, in row-major order of the kernel.

/// output and, for each, where in its window the maximum is (the first of equals; the first NaN if there is one).
template <class T, class Index>
void max_pool2d_forward(const Pool2dGeometry& geometry, const T* input, T* output, Index* where);

/// d_input = 0, then each d_output added where its maximum was.
template <class T, class Index>
void max_pool2d_scatter(const Pool2dGeometry& geometry, const T* d_output, const Index* where, T* d_input);

/// The transpose of the scatter: for each output, the input element where its maximum was.
template <class T, class Index>
void max_pool2d_gather(const Pool2dGeometry& geometry, const T* input, const Index* where, T* output);

template <class T>
void mean_pool2d_forward(const Pool2dGeometry& geometry, const T* input, T* output);

template <class T>
void mean_pool2d_gradient(const Pool2dGeometry& geometry, const T* d_output, T* d_input);

}  // namespace coppice::cpu
