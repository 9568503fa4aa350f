#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Rows of `size` elements (below 2³²), `rows` of them, one after another.
struct SortGeometry {
  std::int64_t rows, size;
};

/// The order of every row: stable, ascending or descending, NaN as greater than all numbers, −0 equal to 0.
template <class T>
void argsort(const SortGeometry& geometry, bool descending, const T* input, std::int64_t* order);

/// The first `k` of that order: (rows, k).
template <class T>
void top_order(const SortGeometry& geometry, std::int64_t k, bool descending, const T* input, std::int64_t* order);

}  // namespace coppice::cpu
