#include <coppice/ops/repeat.h>

#include <algorithm>
#include <utility>
#include <vector>

#include <coppice/ops/rearrange.h>

namespace coppice {

Tensor repeat(const Tensor& input, const Dims& repeats) {
  check_dense_cpu("repeat", input);
  const int added = repeats.rank() - input.dim();
  COPPICE_CHECK(added >= 0, "[repeat] expects a number for every dimension; got ", repeats, " for ", input.shape());
  Dims sizes;
  for (int i = 0; i < added; ++i) sizes.push_back(1);
  for (const std::int64_t size : input.shape()) sizes.push_back(size);
  std::vector<DimSource> sources;
  for (int d = 0; d < repeats.rank(); ++d) {
    COPPICE_CHECK(repeats[d] >= 0, "[repeat] expects numbers of at least 0; got ", repeats, " for ", input.shape());
    if (repeats[d] == 1) continue;
    DimSource entry{.dim = d, .source = {}};
    for (std::int64_t r = 0; r < repeats[d]; ++r) {
      for (std::int64_t i = 0; i < sizes[d]; ++i) entry.source.push_back(i);
    }
    sources.push_back(std::move(entry));
  }
  return rearrange("repeat", input.reshape(sizes), std::move(sources));
}

Tensor tile(const Tensor& input, const Dims& dims) {
  Dims repeats;
  for (int i = dims.rank(); i < input.dim(); ++i) repeats.push_back(1);
  for (const std::int64_t count : dims) repeats.push_back(count);
  return repeat(input, repeats);
}

Tensor repeat_interleave(const Tensor& input, std::int64_t repeats, std::optional<int> dim) {
  return repeat_interleave(input, Tensor::full({}, static_cast<double>(repeats), {.dtype = kInt64}), dim);
}

Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int> dim) {
  check_dense_cpu("repeat_interleave", input);
  check_dense_cpu("repeat_interleave", repeats);
  if (!dim || input.dim() == 0) return repeat_interleave(input.reshape({-1}), repeats, 0);
  const int along = normalize_dim(*dim, input.dim(), "repeat_interleave");
  const std::int64_t size = input.size(along);
  COPPICE_CHECK(
      !is_floating(repeats.dtype()) && repeats.dim() <= 1 && (repeats.numel() == 1 || repeats.numel() == size),
      "[repeat_interleave] expects integers, one or one per slice of dimension ", along, "; got ", repeats.dtype(), " ",
      repeats.shape(), " for ", input.shape());
  const std::vector<std::int64_t> counts = repeats.to_vector<std::int64_t>();
  DimSource entry{.dim = along, .source = {}};
  for (std::int64_t i = 0; i < size; ++i) {
    const std::int64_t count = counts.size() == 1 ? counts[0] : counts[static_cast<std::size_t>(i)];
    COPPICE_CHECK(count >= 0, "[repeat_interleave] expects repeats of at least 0; got ", count, " at position (", i,
                  ") for ", input.shape());
    entry.source.insert(entry.source.end(), static_cast<std::size_t>(count), i);
  }
  return rearrange("repeat_interleave", input, {std::move(entry)});
}

}  // namespace coppice
