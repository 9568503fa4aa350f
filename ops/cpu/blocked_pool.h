#pragma once

#include <cstdint>

#include <coppice/ops/cpu/pool2d.h>

namespace coppice::cpu {

// Pooling of images (n, c, …) in the blocked layout; geometry.planes is not read. Every sum has one order, whatever the
// number of threads. f32 and f64.

/// output and, for each, where in its window the maximum is (as the window's elements are numbered row by row, the
/// first of equals, the first NaN if there is one), with an Index for each lane.
template <class T, class Index>
void blocked_max_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& geometry, const T* input, T* output,
                      Index* where);
/// d_input = 0, then each d_output added where its maximum was.
template <class T, class Index>
void blocked_max_pool_scatter(std::int64_t n, std::int64_t c, const Pool2dGeometry& geometry, const T* d_output,
                              const Index* where, T* d_input);
/// The transpose of the scatter: for each output, the input where its maximum was.
template <class T, class Index>
void blocked_max_pool_gather(std::int64_t n, std::int64_t c, const Pool2dGeometry& geometry, const T* input,
                             const Index* where, T* output);

/// Means are of sums in f64, as those of contiguous images.
template <class T>
void blocked_mean_pool(std::int64_t n, std::int64_t c, const Pool2dGeometry& geometry, const T* input, T* output);
template <class T>
void blocked_mean_pool_gradient(std::int64_t n, std::int64_t c, const Pool2dGeometry& geometry, const T* d_output,
                                T* d_input);

/// The means over all pixels as a row-major (n, c), and the gradient of that.
template <class T>
void blocked_global_mean(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* input, T* output);
template <class T>
void blocked_global_mean_gradient(std::int64_t n, std::int64_t c, std::int64_t h, std::int64_t w, const T* d_output,
                                  T* d_input);

}  // namespace coppice::cpu
