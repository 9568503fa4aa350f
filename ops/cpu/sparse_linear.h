#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Where the non-zeros of a (rows, columns) matrix are: row by row, each row cut into blocks of columns.
///
/// Entries of row r in block b are starts[b * rows + r] … starts[(b + 1) * rows + r]. Those of a row follow each other
/// in order of columns, so that an entry's number is its slot in values packed in row-major order.
struct CsrView {
  std::int64_t rows;
  std::int64_t columns;
  std::int64_t block_columns;    ///< at most kMaxBlockColumns; the last block may be narrower
  const std::uint32_t* starts;   ///< (blocks + 1, rows)
  const std::uint16_t* indices;  ///< column within its block, for every entry
  const std::uint32_t* slots;    ///< where an entry's value is; null: values[entry]

  std::int64_t blocks() const { return columns == 0 ? 0 : (columns + block_columns - 1) / block_columns; }
  std::int64_t entries() const { return rows == 0 ? 0 : starts[(blocks() + 1) * rows - 1]; }
};

inline constexpr std::int64_t kMaxBlockColumns = std::int64_t{1} << 16;

/// y (n, w.rows) = x (n, w.columns) · Wᵀ + bias (w.rows; may be null). Leading dimensions in elements, f32 and f64.
/// Parallel, bitwise independent of the number of threads.
template <class T>
void spmm(const CsrView& w, const T* values, std::int64_t n, const T* x, std::int64_t ldx, const T* bias, T* y,
          std::int64_t ldy);

/// d_values[entry] = Σ d_y (n, row of the entry) · x (n, column of the entry), summed over n; w.slots is not read.
/// Parallel, bitwise independent of the number of threads.
template <class T>
void sampled_product(const CsrView& w, std::int64_t n, const T* d_y, std::int64_t ldy, const T* x, std::int64_t ldx,
                     T* d_values);

}  // namespace coppice::cpu
