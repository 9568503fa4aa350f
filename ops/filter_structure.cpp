#include <coppice/ops/filter_structure.h>

#include <algorithm>
#include <limits>
#include <vector>

namespace coppice {

namespace {

struct AliveFilterRows final : FilterStructure {};
struct AliveFilterColumns final : FilterStructure {};
struct TrainableFilterRows final : FilterStructure {};

}  // namespace

std::int64_t shared_rows(const Mask& mask) {
  const Pattern pattern = mask.pattern();
  const bool shares = pattern.has_blocks() && pattern.block_columns() == 1;
  return shares && pattern.first % 4 == 0 && mask.shape()[0] % pattern.first == 0 ? pattern.first : 1;
}

void FilterStructure::set_size(std::int64_t rows, std::int64_t channels, std::int64_t taps, std::int64_t entries) {
  COPPICE_CHECK(entries <= std::numeric_limits<std::int32_t>::max(),
                "[conv2d] expects at most 2147483647 alive weights in one layer; got ", entries);
  rows_ = rows;
  channels_ = channels;
  taps_ = taps;
  block_channels_ = cpu::blocked_conv_channels(channels, taps);
  starts_ = Buffer<std::uint32_t>((view().blocks() + 1) * rows);
  indices_ = Buffer<std::uint16_t>(entries);
}

void FilterStructure::build_rows(const Mask& mask, FilterStructure& out) {
  const Shape& shape = mask.shape();
  const std::int64_t taps = shape[2] * shape[3];
  out.set_size(shape[0], shape[1], taps, mask.count());
  out.shared_ = shared_rows(mask);
  const std::int64_t row_size = shape[1] * taps;
  const std::int64_t block_size = out.block_channels_ * taps;
  for (std::int64_t b = 0; b <= out.view().blocks(); ++b) {
    for (std::int64_t row = 0; row < shape[0]; ++row) {
      const std::int64_t position = row * row_size + std::min(b * block_size, row_size);
      out.starts_[b * shape[0] + row] = static_cast<std::uint32_t>(mask.rank(position));
    }
  }
  mask.for_each([&](std::int64_t position, std::int64_t slot) {
    out.indices_[slot] = static_cast<std::uint16_t>(position % row_size % block_size);
  });
}

void FilterStructure::build_columns(const Mask& mask, std::int64_t groups, FilterStructure& out) {
  const Shape& shape = mask.shape();
  const std::int64_t taps = shape[2] * shape[3];
  const std::int64_t group_outputs = shape[0] / groups;
  const std::int64_t rows = shape[1] * groups;
  out.set_size(rows, group_outputs, taps, mask.count());
  out.groups_ = groups;
  out.slots_ = Buffer<std::uint32_t>(mask.count());
  const std::int64_t blocks = out.view().blocks();
  // Where each run's next entry goes; runs of a row follow each other.
  std::vector<std::uint32_t> next(static_cast<std::size_t>(rows * blocks) + 1);
  const auto run_of = [&](std::int64_t position) {
    const std::int64_t output = position / (shape[1] * taps);
    const std::int64_t row = output / group_outputs * shape[1] + position / taps % shape[1];
    return static_cast<std::size_t>(row * blocks + output % group_outputs / out.block_channels_);
  };
  mask.for_each([&](std::int64_t position, std::int64_t) { ++next[run_of(position) + 1]; });
  for (std::size_t run = 1; run < next.size(); ++run) next[run] += next[run - 1];
  for (std::int64_t row = 0; row < rows; ++row) {
    for (std::int64_t b = 0; b <= blocks; ++b) {
      out.starts_[b * rows + row] = next[static_cast<std::size_t>(row * blocks + b)];
    }
  }
  mask.for_each([&](std::int64_t position, std::int64_t slot) {
    const std::uint32_t entry = next[run_of(position)]++;
    const std::int64_t output = position / (shape[1] * taps) % group_outputs;
    out.indices_[entry] = static_cast<std::uint16_t>(output % out.block_channels_ * taps + position % taps);
    out.slots_[entry] = static_cast<std::uint32_t>(slot);
  });
}

std::shared_ptr<const FilterStructure> alive_filter_rows(const WeightState& weight) {
  return weight.structure<AliveFilterRows>([&] {
    const auto built = std::make_shared<AliveFilterRows>();
    FilterStructure::build_rows(weight.alive(), *built);
    return built;
  });
}

std::shared_ptr<const FilterStructure> alive_filter_columns(const WeightState& weight, std::int64_t groups) {
  const auto build = [&] {
    const auto built = std::make_shared<AliveFilterColumns>();
    FilterStructure::build_columns(weight.alive(), groups, *built);
    return built;
  };
  const auto cached = weight.structure<AliveFilterColumns>(build);
  if (cached->groups() != groups) return build();  // one weight in layers of different groups: not worth a cache
  return cached;
}

std::shared_ptr<const FilterStructure> trainable_filter_rows(const WeightState& weight) {
  if (weight.trainable() == weight.alive()) return alive_filter_rows(weight);
  return weight.structure<TrainableFilterRows>([&] {
    const auto built = std::make_shared<TrainableFilterRows>();
    FilterStructure::build_rows(weight.trainable(), *built);
    return built;
  });
}

std::shared_ptr<const FilterStructure> full_filter_rows(const Shape& shape) {
  const auto built = std::make_shared<FilterStructure>();
  FilterStructure::build_rows(Mask::all(shape), *built);
  return built;
}

std::shared_ptr<const FilterStructure> full_filter_columns(const Shape& shape, std::int64_t groups) {
  const auto built = std::make_shared<FilterStructure>();
  FilterStructure::build_columns(Mask::all(shape), groups, *built);
  return built;
}

}  // namespace coppice
