#pragma once

#include <array>
#include <cstdint>

namespace coppice::cpu {

/// Windows of (planes, height, width) images; pairs are (vertical, horizontal). Columns are (planes, kernel rows,
/// kernel columns, windows down, windows across).
struct UnfoldGeometry {
  std::int64_t planes;
  std::array<std::int64_t, 2> size, kernel, dilation, padding, stride, windows;
};

template <class T>
void unfold(const UnfoldGeometry& geometry, const T* images, T* columns);

/// The adjoint: every image element is the sum of the column elements that show it, tap by tap.
template <class T>
void fold(const UnfoldGeometry& geometry, const T* columns, T* images);

}  // namespace coppice::cpu
