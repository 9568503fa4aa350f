#include <coppice/ops/range.h>

#include <cmath>
#include <utility>

namespace coppice {
namespace {

/// value(i) for i = 0 … count - 1, as one dimension.
template <class Value>
Tensor listed(const char* op, std::int64_t count, DType dtype, Value value) {
  if (dtype == kFloat16 || dtype == kBFloat16) return listed(op, count, kFloat64, value).to(dtype);
  const Tensor result = Tensor::empty({count}, {.dtype = dtype});
  dispatch_dtype(dtype, op, [&]<class T>() {
    T* element = result.data<T>();
    for (std::int64_t i = 0; i < count; ++i) element[i] = static_cast<T>(value(i));
  });
  return result;
}

}  // namespace

Tensor arange(Scalar start, Scalar end, Scalar step, std::optional<DType> dtype) {
  const bool integral = start.is_integral() && end.is_integral() && step.is_integral();
  const double from = start.as<double>();
  const double to = end.as<double>();
  const double by = step.as<double>();
  COPPICE_CHECK(std::isfinite(from) && std::isfinite(to) && by != 0 && (to - from) / by >= 0,
                "[arange] expects a step that leads from start to end; got start ", from, ", end ", to, ", step ", by);
  if (!integral) {
    const auto count = static_cast<std::int64_t>(std::ceil((to - from) / by));
    return listed("arange", count, dtype.value_or(kFloat32),
                  [&](std::int64_t i) { return from + static_cast<double>(i) * by; });
  }
  const auto first = start.as<std::int64_t>();
  const auto stride = step.as<std::int64_t>();
  const std::int64_t span = end.as<std::int64_t>() - first;
  const std::int64_t count = span / stride + (span % stride != 0 ? 1 : 0);
  return listed("arange", count, dtype.value_or(kInt64), [&](std::int64_t i) { return first + i * stride; });
}

Tensor linspace(double start, double end, std::int64_t steps, DType dtype) {
  COPPICE_CHECK(steps >= 0, "[linspace] expects a number of steps; got ", steps);
  const double step = steps > 1 ? (end - start) / static_cast<double>(steps - 1) : 0.0;
  return listed("linspace", steps, dtype, [&](std::int64_t i) {
    return i < steps / 2 || steps == 1 ? start + static_cast<double>(i) * step
                                       : end - static_cast<double>(steps - 1 - i) * step;
  });
}

std::vector<Tensor> meshgrid(const std::vector<Tensor>& tensors, MeshIndexing indexing) {
  COPPICE_CHECK(!tensors.empty() && tensors.size() <= kMaxRank, "[meshgrid] expects 1 to ", kMaxRank, " tensors; got ",
                tensors.size());
  const bool swapped = indexing == MeshIndexing::Xy && tensors.size() > 1;
  const int rank = static_cast<int>(tensors.size());
  const auto dimension = [&](int i) { return swapped && i < 2 ? 1 - i : i; };
  Dims grid(std::vector<std::int64_t>(tensors.size(), 1));
  for (int i = 0; i < rank; ++i) {
    const Tensor& tensor = tensors[static_cast<std::size_t>(i)];
    COPPICE_CHECK(tensor.dim() <= 1, "[meshgrid] expects tensors of at most one dimension; got ", tensor.shape());
    grid[dimension(i)] = tensor.numel();
  }
  std::vector<Tensor> result;
  for (int i = 0; i < rank; ++i) {
    Dims own(std::vector<std::int64_t>(tensors.size(), 1));
    own[dimension(i)] = grid[dimension(i)];
    result.push_back(tensors[static_cast<std::size_t>(i)].reshape(own).expand(Shape(grid)));
  }
  return result;
}

}  // namespace coppice
