#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include <coppice/core/shape.h>

// Elements moved by tables of places, whatever their type.

namespace coppice::cpu {

/// In a table of places: nothing is there.
inline constexpr std::int64_t kNowhere = -1;

/// An output of `rank` dimensions whose elements are runs of `run` neighbours: that at (i, j, …) starts in the input at
/// place[0][i] + place[1][j] + …, in elements; where one of them is kNowhere it is filled.
struct TakeGeometry {
  int rank = 0;
  std::array<std::int64_t, kMaxRank> size{};
  std::array<const std::int64_t*, kMaxRank> place{};
  std::int64_t run = 1;
};

/// `element_size` is 1, 2, 4 or 8 bytes; `fill` is one element.
void take(const TakeGeometry& geometry, std::size_t element_size, const void* input, void* output, const void* fill);

/// Rows of an (outer, rows, inner) array summed by list: output row i of each outer part is the sum of the input rows
/// listed[first[i]], …, listed[first[i + 1] - 1], in that order; 0 for an empty list.
struct SumListsGeometry {
  std::int64_t outer, input_rows, output_rows, inner;
  const std::int64_t* first;
  const std::int64_t* listed;
};

template <class T>
void sum_lists(const SumListsGeometry& geometry, const T* input, T* output);

}  // namespace coppice::cpu
