#include <coppice/ops/roll.h>

#include <utility>

#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

std::int64_t wrapped(std::int64_t at, std::int64_t size) {
  const std::int64_t rest = at % size;
  return rest < 0 ? rest + size : rest;
}

}  // namespace

Tensor flip(const Tensor& input, const Dims& dims) {
  check_dense_cpu("flip", input);
  std::vector<DimSource> sources;
  unsigned seen = 0;
  for (const std::int64_t dim : dims) {
    const int along = normalize_dim(static_cast<int>(dim), input.dim(), "flip");
    COPPICE_CHECK((seen >> along & 1U) == 0, "[flip] names a dimension twice; got ", dims, " for ", input.shape());
    seen |= 1U << along;
    if (input.dim() == 0) continue;
    DimSource entry{.dim = along, .source = {}};
    for (std::int64_t i = input.size(along); i-- > 0;) entry.source.push_back(i);
    sources.push_back(std::move(entry));
  }
  return rearrange("flip", input, std::move(sources));
}

Tensor roll(const Tensor& input, const std::vector<std::int64_t>& shifts, const Dims& dims) {
  check_dense_cpu("roll", input);
  if (dims.empty()) {
    COPPICE_CHECK(shifts.size() == 1, "[roll] expects one shift where no dims are given; got ", shifts.size(), " for ",
                  input.shape());
    return roll(input.reshape({-1}), shifts, {0}).reshape(input.shape());
  }
  COPPICE_CHECK(shifts.size() == static_cast<std::size_t>(dims.rank()), "[roll] expects a shift for each of dims; got ",
                shifts.size(), " shifts for dims ", dims);
  std::vector<std::int64_t> total(static_cast<std::size_t>(input.dim()), 0);
  for (int i = 0; i < dims.rank(); ++i) {
    COPPICE_CHECK(input.dim() > 0, "[roll] expects at least one dimension; got a scalar");
    total[static_cast<std::size_t>(normalize_dim(static_cast<int>(dims[i]), input.dim(), "roll"))] +=
        shifts[static_cast<std::size_t>(i)];
  }
  std::vector<DimSource> sources;
  for (int d = 0; d < input.dim(); ++d) {
    const std::int64_t size = input.size(d);
    const std::int64_t shift = total[static_cast<std::size_t>(d)];
    if (size == 0 || shift % size == 0) continue;
    DimSource entry{.dim = d, .source = {}};
    for (std::int64_t i = 0; i < size; ++i) entry.source.push_back(wrapped(i - shift, size));
    sources.push_back(std::move(entry));
  }
  return rearrange("roll", input, std::move(sources));
}

}  // namespace coppice
