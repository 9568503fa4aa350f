#pragma once

#include <coppice/ops/cpu/sparse_linear.h>

namespace coppice::cpu {

/// Rows that a kernel takes together.
inline constexpr std::int64_t kGroupRows = 4;

// Products with a matrix W whose neighbouring rows have their entries in the same columns, four by four; the last group
// may be smaller. Slots are not read: an entry's number is its slot. f32 and f64, leading dimensions in elements.
// Parallel, bitwise independent of the number of threads.

/// y (n, w.rows) = x (n, w.columns) · Wᵀ + bias (w.rows; may be null).
template <class T>
void row_blocks_product(const CsrView& w, const T* values, std::int64_t n, const T* x, std::int64_t ldx, const T* bias,
                        T* y, std::int64_t ldy);

/// d_x (n, w.columns) = d_y (n, w.rows) · W.
template <class T>
void row_blocks_data_gradient(const CsrView& w, const T* values, std::int64_t n, const T* d_y, std::int64_t ldy, T* d_x,
                              std::int64_t ldx);

/// d_values[entry] = Σ d_y (n, row of the entry) · x (n, column of the entry), summed over n.
template <class T>
void row_blocks_weight_gradient(const CsrView& w, std::int64_t n, const T* d_y, std::int64_t ldy, const T* x,
                                std::int64_t ldx, T* d_values);

}  // namespace coppice::cpu
