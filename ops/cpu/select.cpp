// Comparisons of scores with thresholds, for exact selection (sparsity/selection.cpp).
//
// Mapping        64 scores at a time; each comparison is a 64-bit word, combined with the word of the candidates.
// Work           reads every score once, and writes two bits of it; what lies between the thresholds is copied.
// Bound          memory.
// Deterministic  yes: comparisons are exact.
// Measure        coppice-bench --benchmark_filter=select_

#include <coppice/ops/cpu/select.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/select.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cmath>

#include <coppice/ops/cpu/lanes-inl.h>

#if HWY_ARCH_X86_64
#include <immintrin.h>
#endif

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

namespace hn = hwy::HWY_NAMESPACE;

constexpr std::int64_t kWord = 64;

template <class D, class V>
HWY_INLINE V rank_of(D d, V score, Ranking ranking) {
  const V ranked = ranking.absolute ? hn::Abs(score) : score;
  return ranking.negate ? hn::Xor(ranked, hn::SignBit(d)) : ranked;
}

/// The bits of a comparison of N lanes.
template <class D, class M>
HWY_INLINE std::uint64_t bits_of(D d, M mask) {
  std::array<std::uint8_t, 8> bytes{};
  hn::StoreMaskBits(d, mask, bytes.data());
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < (hn::MaxLanes(d) + 7) / 8; ++i) bits |= std::uint64_t{bytes[i]} << (8 * i);
  return bits;
}

struct Bits {
  std::uint64_t above = 0;
  std::uint64_t at_least = 0;
};

/// Whether 64 ranks are above `high` and at least `low`; whether one of them is NaN.
template <class T>
HWY_INLINE Bits compare_word(const T* HWY_RESTRICT scores, Ranking ranking, T low, T high, std::uint64_t& nan) {
  const hn::CappedTag<T, kWord> d;
  const auto lows = hn::Set(d, low);
  const auto highs = hn::Set(d, high);
  Bits bits;
  for (std::size_t i = 0; i < kWord; i += hn::Lanes(d)) {
    const auto rank = rank_of(d, hn::LoadU(d, scores + i), ranking);
    bits.above |= bits_of(d, hn::Gt(rank, highs)) << i;
    bits.at_least |= bits_of(d, hn::Ge(rank, lows)) << i;
    nan |= bits_of(d, hn::IsNaN(rank)) << i;
  }
  return bits;
}

/// Which of 64 ranks are equal to `value`.
template <class T>
HWY_INLINE std::uint64_t equal_word(const T* HWY_RESTRICT scores, Ranking ranking, T value) {
  const hn::CappedTag<T, kWord> d;
  std::uint64_t bits = 0;
  for (std::size_t i = 0; i < kWord; i += hn::Lanes(d)) {
    bits |= bits_of(d, hn::Eq(rank_of(d, hn::LoadU(d, scores + i), ranking), hn::Set(d, value))) << i;
  }
  return bits;
}

/// The 64 scores from `first` on; where there are fewer, a copy with zeros behind, and the word of those there are.
template <class T>
HWY_INLINE const T* word_of(const T* scores, const std::uint64_t* words, std::int64_t count, std::int64_t first,
                            std::array<T, kWord>& copy, std::uint64_t& valid) {
  valid = words == nullptr ? ~std::uint64_t{0} : words[first / kWord];
  if (first + kWord <= count) return scores + first;
  copy.fill(T{});
  std::copy(scores + first, scores + count, copy.begin());
  valid &= (std::uint64_t{1} << (count - first)) - 1;
  return copy.data();
}

template <class T>
ScanCounts scan(const T* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, T low, T high,
                T* kept, std::int64_t room) {
  ScanCounts counts;
  std::array<T, kWord> copy;
  std::uint64_t nan = 0;
  for (std::int64_t first = 0; first < count; first += kWord) {
    std::uint64_t valid = 0;
    const T* from = word_of(scores, words, count, first, copy, valid);
    if (valid == 0) continue;
    std::uint64_t nan_word = 0;
    const Bits bits = compare_word(from, ranking, low, high, nan_word);
    nan |= nan_word & valid;
    counts.above += std::popcount(bits.above & valid);
    std::uint64_t between = bits.at_least & ~bits.above & valid;
    if (between == 0) continue;
    const std::uint64_t at_high = equal_word(from, ranking, high) & between;
    const std::uint64_t at_low = equal_word(from, ranking, low) & between & ~at_high;
    counts.at_high += std::popcount(at_high);
    counts.at_low += std::popcount(at_low);
    for (between &= ~(at_high | at_low); between != 0; between &= between - 1) {
      if (counts.between < room) {
        const T score = from[std::countr_zero(between)];
        const T ranked = ranking.absolute ? std::abs(score) : score;
        kept[counts.between] = ranking.negate ? -ranked : ranked;
      }
      ++counts.between;
    }
  }
  counts.nan = nan != 0;
  return counts;
}

/// Writes the ranks whose bits are set side by side, and up to a vector more.
template <class D, class T>
HWY_INLINE void keep(D d, hn::Vec<D> rank, std::uint64_t bits, T* HWY_RESTRICT to) {
#if HWY_TARGET == HWY_SCALAR
  static_cast<void>(bits);
  hn::StoreU(rank, d, to);
#else
  hn::StoreU(compress(d, rank, static_cast<std::uint32_t>(bits)), d, to);
#endif
}

template <class T>
SplitCounts split(const T* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, T low, T high,
                  std::uint64_t* above, std::uint64_t* open, T* kept) {
  const hn::CappedTag<T, 8> d;
  const auto lows = hn::Set(d, low);
  const auto highs = hn::Set(d, high);
  constexpr std::uint64_t kLaneBits = (std::uint64_t{1} << hn::MaxLanes(d)) - 1;
  SplitCounts counts;
  std::array<T, kWord> copy;
  std::uint64_t nan = 0;
  for (std::int64_t first = 0; first < count; first += kWord) {
    std::uint64_t valid = 0;
    const T* HWY_RESTRICT from = word_of(scores, words, count, first, copy, valid);
    std::uint64_t above_word = 0;
    std::uint64_t open_word = 0;
    std::uint64_t nan_word = 0;
    for (std::size_t i = 0; i < kWord; i += hn::Lanes(d)) {
      const auto rank = rank_of(d, hn::LoadU(d, from + i), ranking);
      const auto at_least = hn::Ge(rank, highs);
      const std::uint64_t between = bits_of(d, hn::AndNot(at_least, hn::Gt(rank, lows))) & (valid >> i) & kLaneBits;
      above_word |= bits_of(d, at_least) << i;
      open_word |= between << i;
      nan_word |= bits_of(d, hn::IsNaN(rank)) << i;
      if (between != 0) {
        keep(d, rank, between, kept);
        kept += std::popcount(between);
      }
    }
    nan |= nan_word & valid;
    above_word &= valid;
    *above++ = above_word;
    *open++ = open_word;
    counts.above += std::popcount(above_word);
    counts.open += std::popcount(open_word);
  }
  counts.nan = nan != 0;
  return counts;
}

/// The bits of `packed`, from the lowest on, at the places of the set bits of `at`.
HWY_INLINE std::uint64_t apart(std::uint64_t packed, std::uint64_t at) {
#if HWY_ARCH_X86_64 && HWY_TARGET <= HWY_AVX2
  return _pdep_u64(packed, at);
#else
  std::uint64_t bits = 0;
  for (; at != 0; at &= at - 1, packed >>= 1) bits |= (at & -at) & -(packed & 1U);
  return bits;
#endif
}

void spread_words(const std::uint64_t* packed, std::int64_t slot, const std::uint64_t* at, std::int64_t count,
                  std::uint64_t* out) {
  for (std::int64_t w = 0; w < count; ++w) {
    const int length = std::popcount(at[w]);
    const int shift = static_cast<int>(slot % kWord);
    std::uint64_t bits = 0;
    if (length > 0) {
      bits = packed[slot / kWord] >> shift;
      if (shift + length > kWord) bits |= packed[slot / kWord + 1] << (kWord - shift);
    }
    out[w] = apart(bits, at[w]);
    slot += length;
  }
}

template <class T>
void mark(const T* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, T last, bool ties,
          std::uint64_t* chosen) {
  const hn::CappedTag<T, kWord> d;
  const auto lasts = hn::Set(d, last);
  std::array<T, kWord> copy;
  for (std::int64_t first = 0; first < count; first += kWord) {
    std::uint64_t valid = 0;
    const T* from = word_of(scores, words, count, first, copy, valid);
    std::uint64_t bits = 0;
    for (std::size_t i = 0; i < kWord; i += hn::Lanes(d)) {
      const auto rank = rank_of(d, hn::LoadU(d, from + i), ranking);
      bits |= bits_of(d, ties ? hn::Ge(rank, lasts) : hn::Gt(rank, lasts)) << i;
    }
    *chosen++ = bits & valid;
  }
}

ScanCounts scan_f32(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                    float high, float* kept, std::int64_t room) {
  return scan(scores, words, count, ranking, low, high, kept, room);
}
ScanCounts scan_f64(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double low,
                    double high, double* kept, std::int64_t room) {
  return scan(scores, words, count, ranking, low, high, kept, room);
}
SplitCounts split_f32(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                      float high, std::uint64_t* above, std::uint64_t* open, float* kept) {
  return split(scores, words, count, ranking, low, high, above, open, kept);
}
SplitCounts split_f64(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double low,
                      double high, std::uint64_t* above, std::uint64_t* open, double* kept) {
  return split(scores, words, count, ranking, low, high, above, open, kept);
}
void mark_f32(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float last,
              bool ties, std::uint64_t* chosen) {
  mark(scores, words, count, ranking, last, ties, chosen);
}
void mark_f64(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double last,
              bool ties, std::uint64_t* chosen) {
  mark(scores, words, count, ranking, last, ties, chosen);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(scan_f32);
HWY_EXPORT(scan_f64);
HWY_EXPORT(split_f32);
HWY_EXPORT(split_f64);
HWY_EXPORT(spread_words);
HWY_EXPORT(mark_f32);
HWY_EXPORT(mark_f64);

ScanCounts scan_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                      float high, float* kept, std::int64_t room) {
  return HWY_DYNAMIC_DISPATCH(scan_f32)(scores, words, count, ranking, low, high, kept, room);
}
ScanCounts scan_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double low,
                      double high, double* kept, std::int64_t room) {
  return HWY_DYNAMIC_DISPATCH(scan_f64)(scores, words, count, ranking, low, high, kept, room);
}
SplitCounts split_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float low,
                        float high, std::uint64_t* above, std::uint64_t* open, float* kept) {
  return HWY_DYNAMIC_DISPATCH(split_f32)(scores, words, count, ranking, low, high, above, open, kept);
}
SplitCounts split_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking,
                        double low, double high, std::uint64_t* above, std::uint64_t* open, double* kept) {
  return HWY_DYNAMIC_DISPATCH(split_f64)(scores, words, count, ranking, low, high, above, open, kept);
}
void spread_bits(const std::uint64_t* packed, std::int64_t slot, const std::uint64_t* at, std::int64_t count,
                 std::uint64_t* out) {
  HWY_DYNAMIC_DISPATCH(spread_words)(packed, slot, at, count, out);
}
void mark_ranks(const float* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, float last,
                bool ties, std::uint64_t* chosen) {
  HWY_DYNAMIC_DISPATCH(mark_f32)(scores, words, count, ranking, last, ties, chosen);
}
void mark_ranks(const double* scores, const std::uint64_t* words, std::int64_t count, Ranking ranking, double last,
                bool ties, std::uint64_t* chosen) {
  HWY_DYNAMIC_DISPATCH(mark_f64)(scores, words, count, ranking, last, ties, chosen);
}

}  // namespace coppice::cpu
#endif  // HWY_ONCE
