#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Rows whose places lie together.
inline constexpr std::int64_t kNmStrip = 16;
/// Rows that are ordered by their places together.
inline constexpr std::int64_t kNmBlock = 128;

/// Where the entries of a (rows, columns) matrix are that has exactly n in every group of m neighbours of a row: m 4 or
/// 8, at most 4 entries and at most half of a group. Entry j of group g of row r is values[(r · groups + g) · n + j].
struct NmView {
  std::int64_t rows, columns;
  std::int64_t n, m;

  std::int64_t groups() const { return columns / m; }
  std::int64_t row_entries() const { return groups() * n; }
};

/// Places in groups, for products by row.
struct NmPlaces {
  NmView shape;
  const std::uint8_t* places;  ///< (⌈rows / kNmStrip⌉, groups · n, kNmStrip): 4 × the place; 0 past the rows
};

/// Rows of the same places, for products by column.
struct NmOrder {
  NmView shape;
  std::int64_t choices;       ///< ways to place n entries
  const std::uint8_t* taken;  ///< (choices, n): the places
  const std::uint8_t* rows;   ///< (⌈rows / kNmBlock⌉, groups, kNmBlock): those of a block, by their choice
  const std::uint8_t* ends;   ///< (⌈rows / kNmBlock⌉, groups, choices): where the rows of a choice end
};

// Products with such a matrix W, f32, leading dimensions in elements. Parallel, bitwise independent of the number of
// threads.

/// y (samples, rows) = x (samples, columns) · Wᵀ + bias (rows; may be null).
void nm_product(const NmPlaces& w, const float* values, std::int64_t samples, const float* x, std::int64_t ldx,
                const float* bias, float* y, std::int64_t ldy);

/// d_x (samples, columns) = d_y (samples, rows) · W.
void nm_data_gradient(const NmOrder& w, const float* values, std::int64_t samples, const float* d_y, std::int64_t ldy,
                      float* d_x, std::int64_t ldx);

/// d_values[entry] = Σ d_y (samples, row of the entry) · x (samples, column of the entry).
void nm_weight_gradient(const NmPlaces& w, std::int64_t samples, const float* d_y, std::int64_t ldy, const float* x,
                        std::int64_t ldx, float* d_values);

}  // namespace coppice::cpu
