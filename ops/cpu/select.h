#pragma once

#include <cstdint>

namespace coppice::cpu {

/// How a score is ranked: as it is or by its absolute value, and negated where the smallest are wanted, so that a
/// higher rank is always preferred. −0 equals 0.
struct Ranking {
  bool absolute = false;
  bool negate = false;
};

/// What lies where among scores: counts of ranks above `high`, equal to it, and equal to `low`.
struct ScanCounts {
  std::int64_t above = 0;
  std::int64_t at_high = 0;
  std::int64_t between = 0;
  std::int64_t at_low = 0;
  bool nan = false;  ///< then the counts say nothing
};

/// Counts `count` scores, of which bit i % 64 of words[i / 64] says whether score i takes part (all do without words),
/// against low ≤ high, and writes the ranks strictly between them to `kept`, as far as `room` allows: then `between`
/// may exceed it.
ScanCounts scan_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                      float high, float* kept, std::int64_t room);
ScanCounts scan_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double low,
                      double high, double* kept, std::int64_t room);

/// Counts of ranks of at least `high`, and strictly between `low` and `high`.
struct SplitCounts {
  std::int64_t above = 0;
  std::int64_t open = 0;
  bool nan = false;  ///< then the counts say nothing
};

/// What split_ranks may write of `kept` beyond what is between: one vector.
inline constexpr std::int64_t kSplitSlack = 64;

/// As scan_ranks; bit i % 64 of word i / 64 of `above` and `open` says which of the two a score is. `kept` has room for
/// all of them and kSplitSlack more.
SplitCounts split_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                        float high, std::uint64_t* above, std::uint64_t* open, float* kept);
SplitCounts split_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking,
                        double low, double high, std::uint64_t* above, std::uint64_t* open, double* kept);

/// Takes one bit of `packed`, from bit `slot` on, for each set bit of the `count` words `at`, and writes it to its
/// place in `out`.
void spread_bits(const std::uint64_t* packed, std::int64_t slot, const std::uint64_t* at, std::int64_t count,
                 std::uint64_t* out);

/// Sets bit i % 64 of chosen[i / 64] where the rank of score i is above `last`, or with `ties` equal to it; the rest of
/// the (count + 63) / 64 words is 0.
void mark_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float last,
                bool ties, std::uint64_t* chosen);
void mark_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double last,
                bool ties, std::uint64_t* chosen);

}  // namespace coppice::cpu
