#include <coppice/ops/rows.h>

#include <algorithm>
#include <cstring>
#include <utility>
#include <vector>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/rows.h>
#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

cpu::RowsGeometry geometry_of(const Tensor& table, const Tensor& rows, std::int64_t run) {
  return {rows.data<std::int64_t>(), rows.numel(), run > 0 ? table.numel() / run : 0, run};
}

/// A contiguous copy nobody shares.
Tensor copy_of(const Tensor& tensor) {
  Tensor copy = Tensor::empty(tensor.shape(), {.dtype = tensor.dtype()});
  detail::copy_into(copy, unblocked(tensor));
  return copy;
}

void raw_add(const char* op, const Tensor& table, const Tensor& rows, const Tensor& values, std::int64_t run) {
  const Tensor from = detail::raw_contiguous(values);
  dispatch_dtype(table.dtype(), op,
                 [&]<class T>() { cpu::add_rows(geometry_of(table, rows, run), from.data<T>(), table.data<T>()); });
}

/// `rows` without those that a later value names too.
Tensor last_writers(const Tensor& rows, std::int64_t table_rows) {
  std::vector<bool> written(static_cast<std::size_t>(table_rows), false);
  const Tensor winners = Tensor::empty(rows.shape(), {.dtype = kInt64});
  const std::int64_t* row = rows.data<std::int64_t>();
  std::int64_t* winner = winners.data<std::int64_t>();
  for (std::int64_t i = rows.numel(); i-- > 0;) {
    winner[i] = -1;
    if (row[i] < 0 || written[static_cast<std::size_t>(row[i])]) continue;
    written[static_cast<std::size_t>(row[i])] = true;
    winner[i] = row[i];
  }
  return winners;
}

/// `table` with zeros in the named rows.
Tensor clear_rows(const char* op, const Tensor& table, const Tensor& rows, std::int64_t run) {
  Tensor output = copy_of(table);
  const std::size_t bytes = static_cast<std::size_t>(run) * size_of(output.dtype());
  auto* first = static_cast<std::byte*>(output.raw_data());
  const std::int64_t* row = rows.data<std::int64_t>();
  for (std::int64_t i = 0; i < rows.numel(); ++i) {
    if (row[i] >= 0) std::memset(first + static_cast<std::size_t>(row[i]) * bytes, 0, bytes);
  }
  return record(op, std::move(output), {table}, {rows}, [op, run](const Saved& saved, const Tensor& d_output) {
    return clear_rows(op, d_output, saved[0], run);
  });
}

}  // namespace

Tensor take_rows(const char* op, const Tensor& table, const Tensor& rows, std::int64_t run, const Shape& shape) {
  const Tensor from = detail::raw_contiguous(table);
  Tensor output = Tensor::empty(shape, {.dtype = from.dtype()});
  cpu::take_rows(geometry_of(from, rows, run), size_of(from.dtype()), from.raw_data(), output.raw_data());
  return record(op, std::move(output), {table}, {rows},
                [op, run, from_shape = table.shape()](const Saved& saved, const Tensor& d_output) {
                  return sum_rows(op, d_output, saved[0], run, from_shape);
                });
}

Tensor sum_rows(const char* op, const Tensor& values, const Tensor& rows, std::int64_t run, const Shape& shape) {
  Tensor output = Tensor::zeros(shape, {.dtype = values.dtype()});
  raw_add(op, output, rows, values, run);
  return record(op, std::move(output), {values}, {rows},
                [op, run, from_shape = values.shape()](const Saved& saved, const Tensor& d_output) {
                  return take_rows(op, d_output, saved[0], run, from_shape);
                });
}

Tensor put_rows(const char* op, const Tensor& table, const Tensor& rows, const Tensor& values, std::int64_t run) {
  Tensor output = copy_of(table);
  const Tensor from = detail::raw_contiguous(values);
  cpu::put_rows(geometry_of(output, rows, run), size_of(output.dtype()), from.raw_data(), output.raw_data());
  if (!detail::needs_record({table, values})) return output;
  const Tensor winners = last_writers(rows, run > 0 ? output.numel() / run : 0);
  return record(op, std::move(output), {table, values}, {winners},
                [op, run, from_shape = values.shape()](const Saved& saved, const Tensor& d_output) {
                  return Gradients{saved.needs(0) ? clear_rows(op, d_output, saved[0], run) : Tensor(),
                                   saved.needs(1) ? take_rows(op, d_output, saved[0], run, from_shape) : Tensor()};
                });
}

Tensor add_rows(const char* op, const Tensor& table, const Tensor& rows, const Tensor& values, std::int64_t run) {
  Tensor output = copy_of(table);
  raw_add(op, output, rows, values, run);
  return record(
      op, std::move(output), {table, values}, {rows},
      [op, run, from_shape = values.shape()](const Saved& saved, const Tensor& d_output) {
        return Gradients{d_output, saved.needs(1) ? take_rows(op, d_output, saved[0], run, from_shape) : Tensor()};
      });
}

Tensor read_index(const char* op, const Tensor& index) {
  check_dense_cpu(op, index);
  COPPICE_CHECK(index.dtype() == kInt64 || index.dtype() == kInt32, "[", op,
                "] expects an index of int64 or int32; got ", index.dtype(), " ", index.shape());
  return detail::raw_cast(detail::raw_contiguous(index), kInt64);
}

void check_index(const char* op, const Tensor& index, std::int64_t low, int dim, const Shape& input) {
  const std::int64_t size = input.empty() ? 1 : input[dim];
  const std::int64_t* value = index.data<std::int64_t>();
  const auto leaves = [&](std::int64_t i) { return value[i] < low || value[i] >= size; };
  bool any = false;
  for (std::int64_t i = 0; i < index.numel(); ++i) any |= leaves(i);
  if (!any) return;
  for (std::int64_t i = 0; i < index.numel(); ++i) {
    if (!leaves(i)) continue;
    Dims position = index.shape();
    std::int64_t rest = i;
    for (int d = index.dim() - 1; d >= 0; --d) {
      position[d] = rest % index.size(d);
      rest /= index.size(d);
    }
    detail::fail("[", op, "] index must lie in [", low, ", ", size, "); got ", value[i], " at position ", position,
                 " for dimension ", dim, " of ", input);
  }
}

Tensor places_where(const Tensor& mask) {
  const Tensor flags = detail::raw_contiguous(mask);
  const bool* flag = flags.data<bool>();
  const std::int64_t numel = flags.numel();
  const auto count = static_cast<std::int64_t>(std::count(flag, flag + numel, true));
  const Tensor places = Tensor::empty({count + 1}, {.dtype = kInt64});  // one more, so that writing needs no branch
  std::int64_t* place = places.data<std::int64_t>();
  for (std::int64_t i = 0; i < numel; ++i) {
    *place = i;
    place += flag[i] ? 1 : 0;
  }
  return places.narrow(0, 0, count);
}

}  // namespace coppice
