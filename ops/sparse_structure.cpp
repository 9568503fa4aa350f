#include <coppice/ops/sparse_structure.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include <coppice/core/mask_slots.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/row_blocks.h>

namespace coppice {

namespace {

/// How many columns a kernel takes at a time: as many panel lines as just fit L1, or more where a row has too few
/// entries among them to be worth a visit.
struct Blocking {
  double least, entries, most;
};
constexpr Blocking kRowBlocking{128.0, 16.0, static_cast<double>(cpu::kMaxBlockColumns)};  // lines of 256 bytes (AVX2)
constexpr Blocking kGroupBlocking{256.0, 48.0, 1024.0};                                    // 96 bytes

std::int64_t block_columns_for(std::int64_t columns, double density, const Blocking& blocking) {
  const double wanted = std::clamp(blocking.entries / std::max(density, 1e-9), blocking.least, blocking.most);
  const double blocks = std::max(1.0, std::ceil(static_cast<double>(columns) / std::floor(wanted)));
  return std::max<std::int64_t>(1, static_cast<std::int64_t>(std::ceil(static_cast<double>(columns) / blocks)));
}

struct AliveRows final : CsrStructure {};
struct AliveColumns final : CsrStructure {};
struct TrainableRows final : CsrStructure {};

}  // namespace

bool has_row_groups(const Mask& mask) {
  const Pattern pattern = mask.pattern();
  return pattern.has_blocks() && pattern.block_rows() % cpu::kGroupRows == 0;
}

void CsrStructure::set_size(std::int64_t rows, std::int64_t columns, std::int64_t entries, bool groups) {
  COPPICE_CHECK(entries <= std::numeric_limits<std::int32_t>::max(),
                "[linear] expects at most 2147483647 alive weights in one layer; got ", entries);
  rows_ = rows;
  columns_ = columns;
  const double size = static_cast<double>(std::max<std::int64_t>(1, rows * columns));
  block_columns_ =
      block_columns_for(columns, static_cast<double>(entries) / size, groups ? kGroupBlocking : kRowBlocking);
  starts_ = Buffer<std::uint32_t>((view().blocks() + 1) * rows);
  indices_ = Buffer<std::uint16_t>(entries);
}

void CsrStructure::build_rows(const Mask& mask, CsrStructure& out) {
  const std::int64_t rows = mask.shape()[0];
  const std::int64_t columns = rows == 0 ? 0 : mask.numel() / rows;
  out.set_size(rows, columns, mask.count(), has_row_groups(mask));
  const std::int64_t blocks = out.view().blocks();
  parallel_for(0, rows, 64, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t row = first; row < last; ++row) {
      for (std::int64_t b = 0; b <= blocks; ++b) {
        const std::int64_t column = std::min(b * out.block_columns_, columns);
        out.starts_[b * rows + row] = static_cast<std::uint32_t>(mask.rank(row * columns + column));
      }
    }
    detail::for_each_in_rows(mask, columns, first, last, [&](std::int64_t, std::int64_t column, std::int64_t slot) {
      out.indices_[slot] = static_cast<std::uint16_t>(column % out.block_columns_);
    });
  });
}

void CsrStructure::build_columns(const Mask& mask, CsrStructure& out) {
  const std::int64_t rows = mask.shape()[0];
  const std::int64_t columns = rows == 0 ? 0 : mask.numel() / rows;
  out.set_size(columns, rows, mask.count(), false);
  out.slots_ = Buffer<std::uint32_t>(mask.count());
  std::vector<std::uint32_t> next(static_cast<std::size_t>(columns) + 1);
  detail::for_each_in_rows(mask, columns, 0, rows, [&](std::int64_t, std::int64_t column, std::int64_t) {
    ++next[static_cast<std::size_t>(column) + 1];
  });
  for (std::size_t c = 0; c < static_cast<std::size_t>(columns); ++c) next[c + 1] += next[c];
  // `next` holds, for every column, the entry that its next row fills: at a block border, where that block starts.
  const std::int64_t blocks = out.view().blocks();
  for (std::int64_t b = 0; b <= blocks; ++b) {
    std::copy_n(next.begin(), columns, out.starts_.data() + b * columns);
    const std::int64_t first = std::min(b * out.block_columns_, rows);  // the last block may end past the rows
    const std::int64_t last = std::min(first + out.block_columns_, rows);
    detail::for_each_in_rows(mask, columns, first, last, [&](std::int64_t row, std::int64_t column, std::int64_t slot) {
      const std::uint32_t entry = next[static_cast<std::size_t>(column)]++;
      out.indices_[entry] = static_cast<std::uint16_t>(row - first);
      out.slots_[entry] = static_cast<std::uint32_t>(slot);
    });
  }
}

std::shared_ptr<const CsrStructure> alive_rows(const WeightState& weight) {
  return weight.structure<AliveRows>([&] {
    const auto built = std::make_shared<AliveRows>();
    CsrStructure::build_rows(weight.alive(), *built);
    return built;
  });
}

std::shared_ptr<const CsrStructure> alive_columns(const WeightState& weight) {
  return weight.structure<AliveColumns>([&] {
    const auto built = std::make_shared<AliveColumns>();
    CsrStructure::build_columns(weight.alive(), *built);
    return built;
  });
}

std::shared_ptr<const CsrStructure> trainable_rows(const WeightState& weight) {
  if (weight.trainable() == weight.alive()) return alive_rows(weight);
  return weight.structure<TrainableRows>([&] {
    const auto built = std::make_shared<TrainableRows>();
    CsrStructure::build_rows(weight.trainable(), *built);
    return built;
  });
}

}  // namespace coppice
