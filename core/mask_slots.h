#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>

// Walking several packings of one weight at once.

namespace coppice::detail {

inline constexpr std::int64_t kSlotGrainWords = 256;

/// Calls visit(slot, outer_slots) for every set position of `at`: its slot in `at` and in each of `outer`, which are
/// supersets. Words are walked once, with running slots; parts run in parallel, in any order.
template <std::size_t kOuter, class Visit>
void for_each_slot(const Mask& at, const std::array<const Mask*, kOuter>& outer, Visit visit) {
  const std::uint64_t* const words = at.words().data();
  std::array<const std::uint64_t*, kOuter> outer_words;
  for (std::size_t o = 0; o < kOuter; ++o) outer_words[o] = outer[o]->words().data();
  const auto size = static_cast<std::int64_t>(at.words().size());
  parallel_for(0, size, kSlotGrainWords, [&](std::int64_t first, std::int64_t last) {
    std::int64_t slot = at.rank(first * 64);
    std::array<std::int64_t, kOuter> starts;
    for (std::size_t o = 0; o < kOuter; ++o) starts[o] = outer[o]->rank(first * 64);
    for (std::int64_t w = first; w < last; ++w) {
      for (std::uint64_t left = words[w]; left != 0; left &= left - 1) {
        const std::uint64_t below = (left & -left) - 1;
        std::array<std::int64_t, kOuter> slots;
        for (std::size_t o = 0; o < kOuter; ++o) slots[o] = starts[o] + std::popcount(outer_words[o][w] & below);
        visit(slot++, slots);
      }
      for (std::size_t o = 0; o < kOuter; ++o) starts[o] += std::popcount(outer_words[o][w]);
    }
  });
}

}  // namespace coppice::detail
