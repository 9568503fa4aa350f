#pragma once

#include <cstdint>

#include <coppice/core/dtype.h>

namespace coppice::cpu {

/// Rows normalised one by one. Row r consists of `channels` runs of `inner` elements; run j is scaled and shifted by
/// element (r mod period) · channels + j of the weight and the bias, of which there are period · channels.
struct RowNormGeometry {
  std::int64_t rows;
  std::int64_t channels;
  std::int64_t inner;
  std::int64_t period;

  std::int64_t columns() const { return channels * inner; }
  std::int64_t parameters() const { return period * channels; }
};

/// y = (x − mean) · rstd · weight + bias, with the mean and rstd = 1 / √(variance + eps) of each row, which are
/// written. `weight` and `bias` may be null.
void row_norm(DType dtype, const RowNormGeometry& geometry, double eps, const void* x, const void* weight,
              const void* bias, void* y, void* mean, void* rstd);

/// The gradients; any of d_x, d_weight and d_bias may be null.
void row_norm_backward(DType dtype, const RowNormGeometry& geometry, const void* x, const void* weight,
                       const void* mean, const void* rstd, const void* d_y, void* d_x, void* d_weight, void* d_bias);

}  // namespace coppice::cpu
