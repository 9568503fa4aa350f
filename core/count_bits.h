#pragma once

#include <cstdint>

namespace coppice::detail {

/// Set bits of a word, in plain arithmetic: machines without POPCNT are built for, and there std::popcount is a call.
/// Source: Knuth, The Art of Computer Programming 4A, 7.1.3.
constexpr std::int64_t count_bits(std::uint64_t word) {
  word -= (word >> 1) & 0x5555555555555555U;
  word = (word & 0x3333333333333333U) + ((word >> 2) & 0x3333333333333333U);
  word = (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0FU;
  return static_cast<std::int64_t>((word * 0x0101010101010101U) >> 56);
}

/// Set bits of at most 8 words; the additions of bytes cannot overflow.
constexpr std::uint32_t count_bits(const std::uint64_t* words, std::int64_t count) {
  std::uint64_t low = 0;
  for (std::int64_t w = 0; w < count; ++w) {
    std::uint64_t word = words[w];
    word -= (word >> 1) & 0x5555555555555555U;
    word = (word & 0x3333333333333333U) + ((word >> 2) & 0x3333333333333333U);
    low += (word + (word >> 4)) & 0x0F0F0F0F0F0F0F0FU;
  }
  low = (low & 0x00FF00FF00FF00FFU) + ((low >> 8) & 0x00FF00FF00FF00FFU);
  return static_cast<std::uint32_t>((low * 0x0001000100010001U) >> 48);
}

}  // namespace coppice::detail
