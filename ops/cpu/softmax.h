#pragma once

#include <cstdint>

#include <coppice/core/dtype.h>

namespace coppice::cpu {

/// `rows` contiguous rows of `columns` elements, f32 or f64.
struct RowGeometry {
  std::int64_t rows, columns;
};

void softmax(DType dtype, RowGeometry geometry, const void* in, void* out);
void log_softmax(DType dtype, RowGeometry geometry, const void* in, void* out);
/// d_input = y · (d_output − Σ y · d_output), row by row, of y = softmax(x).
void softmax_backward(DType dtype, RowGeometry geometry, const void* d_output, const void* output, void* d_input);
/// d_input = d_output − e^y · Σ d_output, row by row, of y = log_softmax(x).
void log_softmax_backward(DType dtype, RowGeometry geometry, const void* d_output, const void* output, void* d_input);

/// losses[r] = −Σ_j q(r, j) · log_softmax(logits)(r, j), with q = (1 − smoothing) · onehot(target) + smoothing /
/// columns.
void cross_entropy(DType dtype, RowGeometry geometry, const void* logits, const std::int64_t* target, double smoothing,
                   void* losses);
/// d_logits(r, j) = (softmax(logits)(r, j) − q(r, j)) · d_losses[r]
void cross_entropy_backward(DType dtype, RowGeometry geometry, const void* logits, const std::int64_t* target,
                            double smoothing, const void* d_losses, void* d_logits);

}  // namespace coppice::cpu
