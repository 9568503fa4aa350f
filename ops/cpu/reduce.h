#pragma once

#include <cstdint>

#include <coppice/core/dtype.h>

namespace coppice::cpu {

enum class ReduceOp : std::uint8_t { Sum, Max, Min };

/// A contiguous (outer, reduced, inner) array, reduced along its middle dimension to (outer, inner).
struct ReduceGeometry {
  std::int64_t outer, reduced, inner;
};

/// Sum takes f32, f64 and i64, the others also i32, u8 and bool; reduced ≥ 1.
void reduce(ReduceOp op, DType dtype, const ReduceGeometry& geometry, const void* in, void* out);

/// The place along the middle dimension of the first largest (Max) or smallest (Min) element; NaN comes before any.
void arg_extremum(ReduceOp op, DType dtype, const ReduceGeometry& geometry, const void* in, std::int64_t* out);

}  // namespace coppice::cpu
