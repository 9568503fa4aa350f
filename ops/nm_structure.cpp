#include <coppice/ops/nm_structure.h>

#include <algorithm>
#include <array>
#include <bit>
#include <vector>

#include <coppice/core/mask_slots.h>
#include <coppice/core/parallel.h>

namespace coppice {

namespace {

cpu::NmView shape_of(const Mask& mask) {
  const std::int64_t rows = mask.shape()[0];
  return {.rows = rows, .columns = mask.numel() / rows, .n = mask.pattern().first, .m = mask.pattern().second};
}

std::int64_t divided_up(std::int64_t size, std::int64_t by) { return (size + by - 1) / by; }

/// Where n of m bits may be, as bits, in order.
std::vector<std::uint32_t> all_choices(std::int64_t n, std::int64_t m) {
  std::vector<std::uint32_t> choices;
  for (std::uint32_t bits = 0; bits < (1U << m); ++bits) {
    if (std::popcount(bits) == n) choices.push_back(bits);
  }
  return choices;
}

}  // namespace

bool has_full_groups(const Mask& mask) {
  const Pattern pattern = mask.pattern();
  if (pattern.kind != Pattern::Kind::Nm || mask.count() == 0) return false;
  return (pattern.second == 4 || pattern.second == 8) && 2 * pattern.first <= pattern.second &&
         mask.count() == mask.numel() / pattern.second * pattern.first;
}

NmPlaces::NmPlaces(const Mask& mask) : shape_(shape_of(mask)) {
  const std::int64_t entries = shape_.row_entries();
  const std::int64_t strips = divided_up(shape_.rows, cpu::kNmStrip);
  places_ = Buffer<std::uint8_t>(strips * entries * cpu::kNmStrip);
  parallel_for(0, strips, 16, [&](std::int64_t first, std::int64_t last) {
    std::uint8_t* const out = places_.data();
    std::fill(out + first * entries * cpu::kNmStrip, out + last * entries * cpu::kNmStrip, std::uint8_t{0});
    detail::for_each_in_rows(mask, shape_.columns, first * cpu::kNmStrip, std::min(last * cpu::kNmStrip, shape_.rows),
                             [&](std::int64_t row, std::int64_t column, std::int64_t slot) {
                               const std::int64_t at = row / cpu::kNmStrip * entries + slot % entries;
                               out[at * cpu::kNmStrip + row % cpu::kNmStrip] =
                                   static_cast<std::uint8_t>(4 * (column % shape_.m));
                             });
  });
}

NmOrder::NmOrder(const Mask& mask) : shape_(shape_of(mask)) {
  const std::vector<std::uint32_t> choices = all_choices(shape_.n, shape_.m);
  choices_ = std::ssize(choices);
  taken_ = Buffer<std::uint8_t>(choices_ * shape_.n);
  std::array<std::uint8_t, 256> choice_of{};
  for (std::int64_t c = 0, i = 0; c < choices_; ++c) {
    choice_of[choices[static_cast<std::size_t>(c)]] = static_cast<std::uint8_t>(c);
    for (std::uint32_t bits = choices[static_cast<std::size_t>(c)]; bits != 0; bits &= bits - 1) {
      taken_[i++] = static_cast<std::uint8_t>(std::countr_zero(bits));
    }
  }
  const std::int64_t groups = shape_.groups();
  const std::int64_t blocks = divided_up(shape_.rows, cpu::kNmBlock);
  rows_ = Buffer<std::uint8_t>(blocks * groups * cpu::kNmBlock);
  ends_ = Buffer<std::uint8_t>(blocks * groups * choices_);
  parallel_for(0, blocks, 1, [&](std::int64_t first, std::int64_t last) {
    std::vector<std::uint8_t> bits(static_cast<std::size_t>(cpu::kNmBlock * groups));
    for (std::int64_t block = first; block < last; ++block) {
      const std::int64_t top = block * cpu::kNmBlock;
      const std::int64_t height = std::min(cpu::kNmBlock, shape_.rows - top);
      std::ranges::fill(bits, std::uint8_t{0});
      detail::for_each_in_rows(mask, shape_.columns, top, top + height,
                               [&](std::int64_t row, std::int64_t column, std::int64_t) {
                                 auto& group = bits[static_cast<std::size_t>((row - top) * groups + column / shape_.m)];
                                 group = static_cast<std::uint8_t>(group | (1U << (column % shape_.m)));
                               });
      for (std::int64_t group = 0; group < groups; ++group) {
        const auto choice = [&](std::int64_t row) {
          return choice_of[bits[static_cast<std::size_t>(row * groups + group)]];
        };
        std::uint8_t* const ends = ends_.data() + (block * groups + group) * choices_;
        std::uint8_t* const rows = rows_.data() + (block * groups + group) * cpu::kNmBlock;
        std::array<std::uint8_t, 256> next{};
        for (std::int64_t row = 0; row < height; ++row) ++next[choice(row) + std::size_t{1}];
        for (std::size_t c = 0; c < static_cast<std::size_t>(choices_); ++c) {
          next[c + 1] = static_cast<std::uint8_t>(next[c + 1] + next[c]);
          ends[c] = next[c + 1];
        }
        for (std::int64_t row = 0; row < height; ++row) rows[next[choice(row)]++] = static_cast<std::uint8_t>(row);
        std::fill(rows + height, rows + cpu::kNmBlock, std::uint8_t{0});
      }
    }
  });
}

std::shared_ptr<const NmPlaces> alive_places(const WeightState& weight) {
  return weight.structure<NmPlaces>([&] { return std::make_shared<const NmPlaces>(weight.alive()); });
}

std::shared_ptr<const NmOrder> alive_order(const WeightState& weight) {
  return weight.structure<NmOrder>([&] { return std::make_shared<const NmOrder>(weight.alive()); });
}

}  // namespace coppice
