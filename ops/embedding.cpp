#include <coppice/ops/embedding.h>

#include <algorithm>
#include <utility>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/rows.h>
#include <coppice/ops/rearrange.h>
#include <coppice/ops/rows.h>

namespace coppice {
namespace {

Shape with_last(const Shape& shape, std::int64_t size) {
  Dims sizes = shape;
  sizes.push_back(size);
  return Shape(sizes);
}

std::int64_t check_padding(const Tensor& weight, const EmbeddingOptions& options) {
  if (!options.padding_idx) return -1;
  const std::int64_t count = weight.size(0);
  const std::int64_t row = *options.padding_idx;
  COPPICE_CHECK(row >= -count && row < count, "[embedding] padding_idx must lie in [", -count, ", ", count, "); got ",
                row, " for weight ", weight.shape());
  return row < 0 ? row + count : row;
}

}  // namespace

Tensor embedding(const Tensor& input, const Tensor& weight, EmbeddingOptions options) {
  check_dense_cpu("embedding", weight);
  COPPICE_CHECK(weight.dim() == 2, "[embedding] expects a weight (count, size); got ", weight.shape());
  const std::int64_t padding = check_padding(weight, options);
  const Tensor rows = read_index("embedding", input);
  check_index("embedding", rows, 0, 0, weight.shape());
  const std::int64_t run = weight.size(1);
  const Shape shape = with_last(input.shape(), run);
  if (padding < 0) return take_rows("embedding", weight, rows, run, shape);

  const Tensor table = detail::raw_contiguous(weight);
  Tensor output = Tensor::empty(shape, {.dtype = weight.dtype()});
  const cpu::RowsGeometry geometry{rows.data<std::int64_t>(), rows.numel(), weight.size(0), run};
  cpu::take_rows(geometry, size_of(weight.dtype()), table.raw_data(), output.raw_data());
  if (!detail::needs_record({weight})) return output;
  const Tensor learned = rows.clone();
  std::int64_t* row = learned.data<std::int64_t>();
  std::replace(row, row + learned.numel(), padding, std::int64_t{-1});
  return record("embedding", std::move(output), {weight}, {learned},
                [run, from = weight.shape()](const Saved& saved, const Tensor& d_output) {
                  return sum_rows("embedding", d_output, saved[0], run, from);
                });
}

Tensor one_hot(const Tensor& input, std::int64_t num_classes) {
  const Tensor classes = read_index("one_hot", input);
  const std::int64_t* value = classes.data<std::int64_t>();
  const std::int64_t numel = classes.numel();
  COPPICE_CHECK(num_classes >= -1 && (numel > 0 || num_classes > 0),
                "[one_hot] expects a number of classes, or elements to count them; got ", num_classes, " for ",
                input.shape());
  const std::int64_t size = num_classes >= 0 ? num_classes : *std::max_element(value, value + numel) + 1;
  check_index("one_hot", classes, 0, -1, with_last(input.shape(), size));
  const Tensor output = Tensor::zeros(with_last(input.shape(), size), {.dtype = kInt64});
  std::int64_t* one = output.data<std::int64_t>();
  for (std::int64_t i = 0; i < numel; ++i) one[i * size + value[i]] = 1;
  return output;
}

}  // namespace coppice
