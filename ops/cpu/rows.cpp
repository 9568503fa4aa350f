#include <coppice/ops/cpu/rows.h>

#include <algorithm>

#include <coppice/core/parallel.h>

namespace coppice::cpu {
namespace {

constexpr std::int64_t kGrain = 32768;

template <class F>
void for_parts(const RowsGeometry& geometry, F&& body) {
  parallel_for(0, geometry.count, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, geometry.run)), body);
}

template <class T>
void take_elements(const RowsGeometry& g, const T* table, T* values) {
  for_parts(g, [&](std::int64_t begin, std::int64_t end) {
    if (g.run == 1) {
      for (std::int64_t i = begin; i < end; ++i) values[i] = g.rows[i] < 0 ? T{} : table[g.rows[i]];
      return;
    }
    for (std::int64_t i = begin; i < end; ++i) {
      T* to = values + i * g.run;
      if (g.rows[i] < 0) {
        std::fill_n(to, g.run, T{});
      } else {
        std::copy_n(table + g.rows[i] * g.run, g.run, to);
      }
    }
  });
}

/// Calls body(i, row) for all values that name a row. Each part owns a range of the table and reads all row numbers, so
/// that what happens to a row keeps its order.
template <class Body>
void for_named(const RowsGeometry& g, Body&& body) {
  const std::int64_t work = std::max<std::int64_t>(1, g.count * g.run);
  const std::int64_t grain = std::max<std::int64_t>(1, g.table_rows * kGrain / std::max(work, kGrain));
  parallel_for(0, g.table_rows, grain, [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t i = 0; i < g.count; ++i) {
      const std::int64_t row = g.rows[i];
      if (row >= begin && row < end) body(i, row);
    }
  });
}

template <class T>
void put_elements(const RowsGeometry& g, const T* values, T* table) {
  if (g.run == 1) return for_named(g, [&](std::int64_t i, std::int64_t row) { table[row] = values[i]; });
  for_named(g, [&](std::int64_t i, std::int64_t row) { std::copy_n(values + i * g.run, g.run, table + row * g.run); });
}

template <class F>
void with_element(std::size_t element_size, F&& function) {
  switch (element_size) {
    case 1: return function.template operator()<std::uint8_t>();
    case 2: return function.template operator()<std::uint16_t>();
    case 4: return function.template operator()<std::uint32_t>();
    default: return function.template operator()<std::uint64_t>();
  }
}

}  // namespace

void take_rows(const RowsGeometry& geometry, std::size_t element_size, const void* table, void* values) {
  with_element(element_size,
               [&]<class T>() { take_elements(geometry, static_cast<const T*>(table), static_cast<T*>(values)); });
}

void put_rows(const RowsGeometry& geometry, std::size_t element_size, const void* values, void* table) {
  with_element(element_size,
               [&]<class T>() { put_elements(geometry, static_cast<const T*>(values), static_cast<T*>(table)); });
}

template <class T>
void add_rows(const RowsGeometry& g, const T* values, T* table) {
  if (g.run == 1) {
    return for_named(g, [&](std::int64_t i, std::int64_t row) { table[row] = static_cast<T>(table[row] + values[i]); });
  }
  for_named(g, [&](std::int64_t i, std::int64_t row) {
    const T* from = values + i * g.run;
    T* to = table + row * g.run;
    for (std::int64_t k = 0; k < g.run; ++k) to[k] = static_cast<T>(to[k] + from[k]);
  });
}

template void add_rows(const RowsGeometry&, const float*, float*);
template void add_rows(const RowsGeometry&, const double*, double*);
template void add_rows(const RowsGeometry&, const std::int32_t*, std::int32_t*);
template void add_rows(const RowsGeometry&, const std::int64_t*, std::int64_t*);
template void add_rows(const RowsGeometry&, const std::uint8_t*, std::uint8_t*);
template void add_rows(const RowsGeometry&, const bool*, bool*);

}  // namespace coppice::cpu
