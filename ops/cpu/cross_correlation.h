#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Planes (height, width), each with a kernel of its own; results are (height − kernel_height + 1, width −
/// kernel_width + 1).
struct CorrelationGeometry {
  std::int64_t planes, height, width, kernel_height, kernel_width;

  std::int64_t out_height() const { return height - kernel_height + 1; }
  std::int64_t out_width() const { return width - kernel_width + 1; }
};

/// out (y, x) = Σ in (y + i, x + j) · kernel (i, j), plane by plane.
template <class T>
void correlate(const CorrelationGeometry& geometry, const T* in, const T* kernel, T* out);

/// The transposed map: in (y, x) = Σ out (y − i, x − j) · kernel (i, j).
template <class T>
void correlate_full(const CorrelationGeometry& geometry, const T* out, const T* kernel, T* in);

}  // namespace coppice::cpu
