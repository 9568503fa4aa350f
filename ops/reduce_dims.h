#pragma once

#include <coppice/core/tensor.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/reduce.h>

// The dimensions of a reduction, as every op that reduces checks and counts them.

namespace coppice::detail {

/// The reduced dimensions of a shape, as bits.
struct Reduced {
  unsigned bits = 0;
  bool has(int dim) const { return (bits >> dim & 1U) != 0; }
};

inline Reduced check_reduce(const char* op, const Tensor& input, const Dims& dims) {
  const TensorImpl& impl = detail::require_strided(input, op);
  COPPICE_CHECK(impl.device.is_cpu(), "[", op, "] has no kernel for ", impl.device, "; got ", impl.shape,
                "; copy with to(kCpu)");
  Reduced reduced;
  for (const std::int64_t dim : dims) {
    const unsigned bit = 1U << normalize_dim(static_cast<int>(dim), impl.shape.rank(), op);
    COPPICE_CHECK((reduced.bits & bit) == 0, "[", op, "] names a dimension twice; got dims ", dims, " for ",
                  impl.shape);
    reduced.bits |= bit;
  }
  if (dims.empty()) reduced.bits = (1U << impl.shape.rank()) - 1;
  return reduced;
}

inline Shape reduced_shape(const Shape& shape, Reduced reduced, bool keepdim) {
  Dims sizes;
  for (int i = 0; i < shape.rank(); ++i) {
    if (!reduced.has(i)) {
      sizes.push_back(shape[i]);
    } else if (keepdim) {
      sizes.push_back(1);
    }
  }
  return Shape(sizes);
}

inline Tensor expand_back(const Tensor& reduced, const Shape& kept, const Shape& shape) {
  return reduced.reshape(kept).expand(shape);
}

inline std::int64_t count_of(const Shape& shape, Reduced reduced) {
  std::int64_t count = 1;
  for (int i = 0; i < shape.rank(); ++i) count *= reduced.has(i) ? shape[i] : 1;
  return count;
}

/// The sizes before, at and after dimension `along`.
inline cpu::ReduceGeometry geometry_along(const Shape& shape, int along) {
  cpu::ReduceGeometry geometry{1, 1, 1};
  for (int i = 0; i < shape.rank(); ++i) {
    (i < along ? geometry.outer : i == along ? geometry.reduced : geometry.inner) *= shape[i];
  }
  return geometry;
}

}  // namespace coppice::detail
