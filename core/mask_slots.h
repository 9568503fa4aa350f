#pragma once

#include <array>
#include <bit>
#include <cstddef>
#include <cstdint>

#include <coppice/core/count_bits.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>

// Walking several packings of one weight at once, a 64-bit word at a time and without a population count per element.

namespace coppice::detail {

inline constexpr std::int64_t kSlotGrainWords = 256;

/// Ranks of up to 64 elements within a word; one spare place lets them be written without a branch.
using WordRanks = std::array<std::uint8_t, 65>;

/// For each set bit of `word` ⊆ `outer`, in order, the number of lower set bits of `outer`.
inline void ranks_within(std::uint64_t word, std::uint64_t outer, WordRanks& ranks) {
  std::size_t count = 0;
  if (outer == ~std::uint64_t{0}) {
    for (; word != 0; word &= word - 1) ranks[count++] = static_cast<std::uint8_t>(std::countr_zero(word));
    return;
  }
  for (std::uint8_t rank = 0; word != 0; ++rank) {
    const std::uint64_t lowest = outer & -outer;
    ranks[count] = rank;
    count += (word & lowest) != 0 ? 1 : 0;
    word &= ~lowest;
    outer ^= lowest;
  }
}

/// Calls body(count, slot, outer_slots, ranks) for every word of `at` with set positions: their number, the slot of the
/// first, and for each of `outer`, which are supersets, the slot its word begins with and the ranks to add. Parts run
/// in parallel, in any order.
template <std::size_t kOuter, class Body>
void for_each_word(const Mask& at, const std::array<const Mask*, kOuter>& outer, Body body) {
  const std::uint64_t* const words = at.words().data();
  std::array<const std::uint64_t*, kOuter> outer_words;
  for (std::size_t o = 0; o < kOuter; ++o) outer_words[o] = outer[o]->words().data();
  const auto size = static_cast<std::int64_t>(at.words().size());
  parallel_for(0, size, kSlotGrainWords, [&](std::int64_t first, std::int64_t last) {
    std::int64_t slot = at.rank(first * 64);
    std::array<std::int64_t, kOuter> starts;
    for (std::size_t o = 0; o < kOuter; ++o) starts[o] = outer[o]->rank(first * 64);
    std::array<WordRanks, kOuter> ranks;
    for (std::int64_t w = first; w < last; ++w) {
      if (words[w] != 0) {
        const std::int64_t count = count_bits(words[w]);
        for (std::size_t o = 0; o < kOuter; ++o) ranks_within(words[w], outer_words[o][w], ranks[o]);
        body(count, slot, starts, ranks);
        slot += count;
      }
      for (std::size_t o = 0; o < kOuter; ++o) starts[o] += count_bits(outer_words[o][w]);
    }
  });
}

/// Calls visit(slot, outer_slot) for every set position of `at` ⊆ `outer`.
template <class Visit>
void for_each_slot(const Mask& at, const Mask& outer, Visit visit) {
  for_each_word<1>(at, {&outer},
                   [=](std::int64_t count, std::int64_t slot, const std::array<std::int64_t, 1>& start,
                       const std::array<WordRanks, 1>& ranks) {
                     for (std::int64_t i = 0; i < count; ++i) {
                       visit(slot + i, start[0] + ranks[0][static_cast<std::size_t>(i)]);
                     }
                   });
}

/// Calls visit(row, column, slot) for the set positions of the rows from first to last of the mask seen as a matrix of
/// rows of `columns`, in order.
template <class Visit>
void for_each_in_rows(const Mask& mask, std::int64_t columns, std::int64_t first, std::int64_t last, Visit visit) {
  const std::uint64_t* const words = mask.words().data();
  std::int64_t slot = mask.rank(first * columns);
  for (std::int64_t row = first; row < last; ++row) {
    const std::int64_t begin = row * columns;
    const std::int64_t end = begin + columns;
    for (std::int64_t w = begin / 64; w * 64 < end; ++w) {
      std::uint64_t word = words[w];
      if (w * 64 < begin) word &= ~std::uint64_t{0} << (begin - w * 64);
      if (end - w * 64 < 64) word &= ~(~std::uint64_t{0} << (end - w * 64));
      for (; word != 0; word &= word - 1) visit(row, w * 64 + std::countr_zero(word) - begin, slot++);
    }
  }
}

}  // namespace coppice::detail
