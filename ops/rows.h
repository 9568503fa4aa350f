#pragma once

#include <coppice/core/tensor.h>

// Gathering and scattering, as moves of rows: a tensor is read as a table of rows of `run` neighbouring elements, and
// `rows` (int64, contiguous, without history) names one for each row of the values; -1 names none. All are recorded,
// and linear in what they move, so that they are differentiable any number of times.

namespace coppice {

/// The named rows in a tensor of `shape`; zeros for those not named.
Tensor take_rows(const char* op, const Tensor& table, const Tensor& rows, std::int64_t run, const Shape& shape);

/// A table of `shape` in which each row is the sum of the values that name it, added in their order.
Tensor sum_rows(const char* op, const Tensor& values, const Tensor& rows, std::int64_t run, const Shape& shape);

/// `table` with the values written to the rows they name. Where several name one, the last wins.
Tensor put_rows(const char* op, const Tensor& table, const Tensor& rows, const Tensor& values, std::int64_t run);

/// `table` with the values added to the rows they name, in their order.
Tensor add_rows(const char* op, const Tensor& table, const Tensor& rows, const Tensor& values, std::int64_t run);

/// The numbers of the elements of a bool tensor that are set, in row-major order: int64 (count).
Tensor places_where(const Tensor& mask);

/// `index` as contiguous int64 without history; throws unless it is int32 or int64 and on the CPU.
Tensor read_index(const char* op, const Tensor& index);

/// Throws, naming position, value and size, unless all elements of `index` (from read_index) lie in [low, size).
/// `dim` of `input` is what the index counts.
void check_index(const char* op, const Tensor& index, std::int64_t low, int dim, const Shape& input);

}  // namespace coppice
