#pragma once

#include <cstdint>

#include <coppice/core/dtype.h>
#include <coppice/ops/cpu/reduce.h>

namespace coppice::cpu {

/// Recurrence: s_k = a_k + b_k · s_{k−1}; in reverse s_k = a_k + b_{k+1} · s_{k+1}.
enum class ScanOp : std::uint8_t { Sum, Product, Recurrence };
enum class ScanDirection : std::uint8_t { Forward, Reverse };

/// Along the middle dimension of a contiguous array of f32, f64 or i64; `b` is read by Recurrence alone.
void scan(ScanOp op, ScanDirection direction, DType dtype, const ReduceGeometry& geometry, const void* a, const void* b,
          void* out);

}  // namespace coppice::cpu
