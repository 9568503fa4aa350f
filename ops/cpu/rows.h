#pragma once

#include <cstddef>
#include <cstdint>

// Rows of `run` neighbouring elements, named by number; a number below 0 names none.

namespace coppice::cpu {

/// Rows named by `rows` (count) of a table of `table_rows` rows.
struct RowsGeometry {
  const std::int64_t* rows;
  std::int64_t count, table_rows, run;
};

/// values[i] = table[rows[i]], 0 where none is named.
void take_rows(const RowsGeometry& geometry, std::size_t element_size, const void* table, void* values);

/// table[rows[i]] = values[i] in the order of i, whatever the number of threads.
void put_rows(const RowsGeometry& geometry, std::size_t element_size, const void* values, void* table);

/// table[rows[i]] += values[i] in the order of i, whatever the number of threads.
template <class T>
void add_rows(const RowsGeometry& geometry, const T* values, T* table);

}  // namespace coppice::cpu
