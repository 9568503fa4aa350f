#include <coppice/ops/pad.h>

#include <algorithm>
#include <utility>

#include <coppice/ops/rearrange.h>

namespace coppice {
namespace {

const char* name_of(PadMode mode) {
  switch (mode) {
    case PadMode::Constant: return "constant";
    case PadMode::Reflect: return "reflect";
    case PadMode::Replicate: return "replicate";
    default: return "circular";
  }
}

void check_padding(const Tensor& input, const std::vector<std::int64_t>& padding, PadMode mode) {
  check_dense_cpu("pad", input);
  const Dims shown{padding.size() <= kMaxRank ? std::span<const std::int64_t>(padding)
                                              : std::span<const std::int64_t>(padding).first(kMaxRank)};
  COPPICE_CHECK(padding.size() % 2 == 0 && padding.size() <= 2 * static_cast<std::size_t>(input.dim()),
                "[pad] expects two numbers for each of at most ", input.dim(), " dimensions; got ", padding.size(),
                " numbers ", shown, " for ", input.shape());
  for (std::size_t i = 0; i < padding.size(); i += 2) {
    const int dim = input.dim() - 1 - static_cast<int>(i / 2);
    const std::int64_t size = input.size(dim);
    const std::int64_t most = std::max(padding[i], padding[i + 1]);
    const bool fits = mode == PadMode::Constant || most <= 0 || (mode == PadMode::Reflect && most < size) ||
                      (mode == PadMode::Replicate && size > 0) || (mode == PadMode::Circular && most <= size);
    COPPICE_CHECK(fits, "[pad] ", name_of(mode), " padding does not fit dimension ", dim, "; got (", padding[i], ", ",
                  padding[i + 1], ") for ", input.shape());
    COPPICE_CHECK(size + padding[i] + padding[i + 1] >= 0 && padding[i] >= -size && padding[i + 1] >= -size,
                  "[pad] removes more than there is of dimension ", dim, "; got (", padding[i], ", ", padding[i + 1],
                  ") for ", input.shape());
  }
}

/// The input coordinate that `at`, outside or inside [0, size), shows; -1 for the constant.
std::int64_t source_of(std::int64_t at, std::int64_t size, PadMode mode) {
  if (at >= 0 && at < size) return at;
  switch (mode) {
    case PadMode::Constant: return -1;
    case PadMode::Reflect: return at < 0 ? -at : 2 * (size - 1) - at;
    case PadMode::Replicate: return at < 0 ? 0 : size - 1;
    default: return at < 0 ? at + size : at - size;
  }
}

}  // namespace

Tensor pad(const Tensor& input, const std::vector<std::int64_t>& padding, PadOptions options) {
  check_padding(input, padding, options.mode);
  std::vector<DimSource> sources;
  for (std::size_t i = 0; i < padding.size(); i += 2) {
    if (padding[i] == 0 && padding[i + 1] == 0) continue;
    DimSource entry{.dim = input.dim() - 1 - static_cast<int>(i / 2), .source = {}};
    const std::int64_t size = input.size(entry.dim);
    for (std::int64_t at = -padding[i]; at < size + padding[i + 1]; ++at) {
      entry.source.push_back(source_of(at, size, options.mode));
    }
    sources.push_back(std::move(entry));
  }
  return rearrange("pad", input, std::move(sources), options.value);
}

}  // namespace coppice
