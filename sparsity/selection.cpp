#include <coppice/sparsity/selection.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <limits>
#include <mutex>
#include <type_traits>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/select.h>

namespace coppice::sparsity {

namespace {

constexpr int kDigitBits = 11;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;
constexpr std::int64_t kChunkWords = 1024;
constexpr std::int64_t kSamples = 16384;
/// Up to here the sample would be much of the whole.
constexpr std::int64_t kFewScores = 4 * kSamples;

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// An unsigned key that orders as ranks do.
template <class T>
KeyOf<T> key_of(T rank) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(T) - 1);
  const Key bits = std::bit_cast<Key>(rank + T{0});  // no -0
  return (bits & kSign) != 0 ? static_cast<Key>(~bits) : static_cast<Key>(bits | kSign);
}

template <class T>
T rank_of_key(KeyOf<T> key) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(T) - 1);
  return std::bit_cast<T>((key & kSign) != 0 ? static_cast<Key>(key & ~kSign) : static_cast<Key>(~key));
}

template <class T>
T rank_of(T score, cpu::Ranking ranking) {
  const T ranked = ranking.absolute ? std::abs(score) : score;
  return ranking.negate ? -ranked : ranked;
}

/// A part of one layer's scores, at most kChunkWords words long, which begins on a word.
template <class T>
struct Chunk {
  std::size_t layer = 0;
  std::int64_t first = 0;                ///< position, or slot where scores are packed
  std::int64_t count = 0;                ///< of scores
  const T* scores = nullptr;             ///< the first
  const std::uint64_t* words = nullptr;  ///< of the candidates among them; none where all are
};

template <class T>
struct Candidates {
  std::vector<Tensor> held{};  ///< what chunks point into
  std::vector<Chunk<T>> chunks{};
  std::int64_t count = 0;

  explicit Candidates(const std::vector<Scores>& layers) {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      const Mask& mask = layers[l].candidates;
      const Tensor values = held.emplace_back(coppice::detail::raw_contiguous(layers[l].values));
      const bool some = values.shape() == mask.shape() && mask.count() < mask.numel();
      for (std::int64_t first = 0; first < values.numel(); first += 64 * kChunkWords) {
        chunks.push_back({.layer = l,
                          .first = first,
                          .count = std::min(64 * kChunkWords, values.numel() - first),
                          .scores = values.data<T>() + first,
                          .words = some ? mask.words().data() + first / 64 : nullptr});
      }
      count += mask.count();
    }
  }
};

/// Calls visit(score) for the candidates of a chunk.
template <class T, class Visit>
void for_each_score(const Chunk<T>& chunk, Visit visit) {
  if (!chunk.words) {
    for (std::int64_t i = 0; i < chunk.count; ++i) visit(chunk.scores[i]);
    return;
  }
  for (std::int64_t w = 0; 64 * w < chunk.count; ++w) {
    for (std::uint64_t word = chunk.words[w]; word != 0; word &= word - 1) {
      visit(chunk.scores[64 * w + std::countr_zero(word)]);
    }
  }
}

void check_scores(const std::vector<Scores>& layers, std::int64_t count) {
  std::int64_t candidates = 0;
  for (const Scores& layer : layers) {
    const bool dense = layer.values.shape() == layer.candidates.shape();
    const bool packed = layer.values.dim() == 1 && layer.values.numel() == layer.candidates.count();
    COPPICE_CHECK(dense || packed, "[select] expects scores of the mask's shape or one per candidate; got scores ",
                  layer.values.shape(), " for ", layer.candidates, " of ", layer.name);
    COPPICE_CHECK(layer.values.dtype() == layers.front().values.dtype(), "[select] expects one dtype; got ",
                  layer.values.dtype(), " for ", layer.name, " and ", layers.front().values.dtype(), " for ",
                  layers.front().name);
    candidates += layer.candidates.count();
  }
  COPPICE_CHECK(count >= 0 && count <= candidates, "[select] expects at most as many as there are candidates; got ",
                count, " of ", candidates, layers.size() == 1 ? " for " + layers.front().name : std::string());
}

/// The rank of the last one taken, how many of those equal to it are taken, and how many there are.
template <class T>
struct Threshold {
  T last = {};
  std::int64_t taken = 0;
  std::int64_t equal = 0;
};

/// By a radix search from the top digit.
template <class T>
Threshold<T> radix_threshold(const std::vector<Chunk<T>>& chunks, std::int64_t count, cpu::Ranking ranking) {
  using Key = KeyOf<T>;
  constexpr int kKeyBits = 8 * static_cast<int>(sizeof(Key));
  Key prefix = 0;
  std::int64_t wanted = count;
  std::vector<std::int64_t> histogram(kDigits);
  std::size_t digit = 0;
  for (int known = 0; known < kKeyBits;) {
    const int bits = std::min(kDigitBits, kKeyBits - known);
    const int shift = kKeyBits - known - bits;
    const Key digit_mask = static_cast<Key>((Key{1} << bits) - 1);
    std::fill(histogram.begin(), histogram.end(), 0);
    std::mutex mutex;
    parallel_for(0, std::ssize(chunks), 1, [&](std::int64_t first, std::int64_t last) {
      std::vector<std::uint32_t> part(kDigits);
      const auto add = [&] {
        const std::lock_guard lock(mutex);
        for (std::size_t d = 0; d < kDigits; ++d) histogram[d] += part[d];
        std::fill(part.begin(), part.end(), 0U);
      };
      for (std::int64_t c = first; c < last; ++c) {
        for_each_score(chunks[static_cast<std::size_t>(c)], [&](T score) {
          const Key key = key_of(rank_of(score, ranking));
          if (known > 0 && static_cast<Key>(key >> (kKeyBits - known)) != prefix) return;
          ++part[static_cast<std::size_t>((key >> shift) & digit_mask)];
        });
        if ((c - first) % 32768 == 32767) add();  // 2^31 scores: a count still fits
      }
      add();
    });
    digit = static_cast<std::size_t>(digit_mask);
    while (histogram[digit] < wanted) wanted -= histogram[digit--];
    prefix = static_cast<Key>((known == 0 ? Key{0} : static_cast<Key>(prefix << bits)) | static_cast<Key>(digit));
    known += bits;
  }
  return {.last = rank_of_key<T>(prefix), .taken = wanted, .equal = histogram[digit]};
}

/// Ranks that the threshold most probably lies strictly between; or at one of them, where many ranks are equal.
template <class T>
struct Bracket {
  T low = {};
  T high = {};
  bool ties = false;
};

/// From a sample that depends on the scores alone.
template <class T>
Bracket<T> bracket(const Candidates<T>& candidates, std::int64_t count, cpu::Ranking ranking) {
  std::int64_t scores = 0;
  for (const Chunk<T>& chunk : candidates.chunks) scores += chunk.count;
  const std::int64_t step = std::max<std::int64_t>(1, scores / kSamples);
  std::vector<T> sample;
  std::uint64_t turn = 0;
  for (const Chunk<T>& chunk : candidates.chunks) {
    for (std::int64_t first = 0; first < chunk.count; first += step) {
      // Not always the same place of a step, which may be one of a matrix.
      turn = turn * 6364136223846793005U + 1442695040888963407U;
      const std::int64_t i = first + static_cast<std::int64_t>((turn >> 33) % static_cast<std::uint64_t>(step));
      if (i >= chunk.count || (chunk.words && ((chunk.words[i / 64] >> (i % 64)) & 1U) == 0)) continue;
      if (const T rank = rank_of(chunk.scores[i], ranking); !std::isnan(rank)) sample.push_back(rank);
    }
  }
  const auto size = static_cast<double>(sample.size());
  const double share = static_cast<double>(count) / static_cast<double>(candidates.count);
  const double margin = 3.0 * std::sqrt(size * share * (1.0 - share)) + 4.0;
  const auto place = [&](double at, T beyond) {
    if (at < 0.0 || at >= size) return beyond;
    const auto nth = sample.begin() + static_cast<std::ptrdiff_t>(at);
    std::nth_element(sample.begin(), nth, sample.end(), std::greater<T>());
    return *nth;
  };
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const T middle = place(size * share, -kInfinity);
  const T low = place(size * share + margin, -kInfinity);
  const T high = place(size * share - margin, kInfinity);
  return {.low = low, .high = high, .ties = middle == low || middle == high};
}

template <class T>
[[noreturn]] void fail_at_nan(const std::vector<Scores>& layers, const Candidates<T>& candidates) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const T* scores = candidates.held[l].template data<T>();
    const bool dense = layers[l].values.shape() == layers[l].candidates.shape();
    layers[l].candidates.for_each([&](std::int64_t position, std::int64_t slot) {
      COPPICE_CHECK(!std::isnan(scores[dense ? position : slot]),
                    "[select] expects scores that are numbers; got NaN for ", layers[l].name, " at position ", position,
                    "; the training has diverged or the loss is undefined");
    });
  }
  coppice::detail::fail("[select] expects scores that nobody writes meanwhile; a NaN came and went");
}

/// One pass over all scores where few lie within the bracket, or many are equal to its ends; a radix search among those
/// few, or among all. Without `room` for those within, it only looks for NaN.
template <class T>
Threshold<T> threshold(const std::vector<Scores>& layers, const Candidates<T>& candidates, std::int64_t count,
                       cpu::Ranking ranking, std::pair<T, T> within, std::int64_t room) {
  const auto [low, high] = within;
  cpu::ScanCounts total;
  std::vector<T> kept;
  std::mutex mutex;
  parallel_for(0, std::ssize(candidates.chunks), 1, [&, from = low, to = high](std::int64_t first, std::int64_t last) {
    std::vector<T> mine(static_cast<std::size_t>(room));
    for (std::int64_t c = first; c < last; ++c) {
      const Chunk<T>& chunk = candidates.chunks[static_cast<std::size_t>(c)];
      const cpu::ScanCounts counts =
          cpu::scan_ranks(chunk.scores, chunk.words, chunk.count, ranking, from, to, mine.data(), room);
      const std::lock_guard lock(mutex);
      total.above += counts.above;
      total.at_high += counts.at_high;
      total.between += counts.between;
      total.at_low += counts.at_low;
      total.nan = total.nan || counts.nan;
      kept.insert(kept.end(), mine.begin(), mine.begin() + std::min(counts.between, room));
    }
  });
  if (total.nan) fail_at_nan(layers, candidates);
  const std::int64_t to_high = total.above + total.at_high;
  const std::int64_t to_between = to_high + total.between;
  if (count > total.above && count <= to_high) return {high, count - total.above, total.at_high};
  if (count > to_between && count <= to_between + total.at_low) return {low, count - to_between, total.at_low};
  if (count > to_high && count <= to_between && std::ssize(kept) == total.between) {
    std::vector<Chunk<T>> parts;
    for (std::int64_t first = 0; first < std::ssize(kept); first += 64 * kChunkWords) {
      parts.push_back({.count = std::min(64 * kChunkWords, std::ssize(kept) - first), .scores = kept.data() + first});
    }
    return radix_threshold(parts, count - to_high, {});
  }
  return radix_threshold(candidates.chunks, count, ranking);
}

/// Which of the slots' scores are chosen, as words of positions.
Buffer<std::uint64_t> spread(const Mask& candidates, const Buffer<std::uint64_t>& slots) {
  const std::span<const std::uint64_t> words = candidates.words();
  Buffer<std::uint64_t> positions(std::ssize(words));
  parallel_for(0, std::ssize(words), kChunkWords, [&](std::int64_t first, std::int64_t last) {
    cpu::spread_bits(slots.data(), candidates.rank(64 * first), words.data() + first, last - first,
                     positions.data() + first);
  });
  return positions;
}

/// Adds those of the scores equal to the threshold that are taken, in order of layer and position.
template <class T>
void add_ties(const Candidates<T>& candidates, const Threshold<T>& threshold, cpu::Ranking ranking, const Mask& lottery,
              std::vector<Buffer<std::uint64_t>>& chosen) {
  std::int64_t tie = 0;
  std::vector<std::uint64_t> from(static_cast<std::size_t>(kChunkWords));
  for (const Chunk<T>& chunk : candidates.chunks) {
    if (!lottery.defined() && tie >= threshold.taken) return;
    const std::int64_t words = (chunk.count + 63) / 64;
    cpu::mark_ranks(chunk.scores, chunk.words, chunk.count, ranking, threshold.last, true, from.data());
    std::uint64_t* to = chosen[chunk.layer].data() + chunk.first / 64;
    for (std::int64_t w = 0; w < words; ++w) {
      for (std::uint64_t ties = from[static_cast<std::size_t>(w)] & ~to[w]; ties != 0; ties &= ties - 1) {
        const bool taken = lottery.defined() ? lottery.test(tie) : tie < threshold.taken;
        if (taken) to[w] |= ties & -ties;
        ++tie;
      }
    }
  }
}

/// What a split leaves of a chunk: the candidates strictly within the bracket, as bits and as ranks in order.
template <class T>
struct Within {
  Buffer<std::uint64_t> bits{};
  Buffer<T> ranks{};
};

template <class T>
Mask lottery_of(const Threshold<T>& found, const SelectOptions& options) {
  return options.tie_break ? Mask::random(Shape{found.equal}, found.taken, *options.tie_break) : Mask();
}

/// Chooses in one pass over the scores: what is above the bracket at once, then among what lies within. False, and
/// nothing of use in `chosen`, where the threshold is not within, or too much is.
template <class T>
bool choose_within(const std::vector<Scores>& layers, const Candidates<T>& candidates, std::int64_t count,
                   cpu::Ranking ranking, const SelectOptions& options, std::pair<T, T> bracket,
                   std::vector<Buffer<std::uint64_t>>& chosen) {
  constexpr std::int64_t kRoom = 64 * kChunkWords / 4;
  std::vector<Within<T>> within(candidates.chunks.size());
  std::int64_t above = 0;
  std::int64_t open = 0;
  bool nan = false;
  bool too_many = false;
  std::mutex mutex;
  parallel_for(0, std::ssize(candidates.chunks), 1, [&](std::int64_t first, std::int64_t last) {
    Buffer<T> ranks(64 * kChunkWords + cpu::kSplitSlack);
    for (std::int64_t c = first; c < last; ++c) {
      const Chunk<T>& chunk = candidates.chunks[static_cast<std::size_t>(c)];
      Within<T>& mine = within[static_cast<std::size_t>(c)];
      mine.bits = Buffer<std::uint64_t>((chunk.count + 63) / 64);
      const cpu::SplitCounts counts =
          cpu::split_ranks(chunk.scores, chunk.words, chunk.count, ranking, bracket.first, bracket.second,
                           chosen[chunk.layer].data() + chunk.first / 64, mine.bits.data(), ranks.data());
      mine.ranks = Buffer<T>(std::min(counts.open, kRoom));
      std::copy_n(ranks.data(), mine.ranks.size(), mine.ranks.data());
      const std::lock_guard lock(mutex);
      above += counts.above;
      open += counts.open;
      nan = nan || counts.nan;
      too_many = too_many || counts.open > kRoom;
    }
  });
  if (nan) fail_at_nan(layers, candidates);
  if (too_many || count <= above || count > above + open) return false;
  std::vector<Chunk<T>> parts;
  for (const Within<T>& part : within) parts.push_back({.count = part.ranks.size(), .scores = part.ranks.data()});
  const Threshold<T> found = radix_threshold(parts, count - above, {});
  const bool all_ties = found.taken == found.equal;
  const Mask lottery = lottery_of(found, options);
  const auto choose = [&](std::int64_t c, std::int64_t tie) {
    const Chunk<T>& chunk = candidates.chunks[static_cast<std::size_t>(c)];
    const Within<T>& mine = within[static_cast<std::size_t>(c)];
    std::uint64_t* to = chosen[chunk.layer].data() + chunk.first / 64;
    const T* rank = mine.ranks.data();
    for (const std::uint64_t word : mine.bits) {
      std::uint64_t taken = 0;
      for (std::uint64_t left = word; left != 0; left &= left - 1, ++rank) {
        bool takes = *rank > found.last;
        if (*rank == found.last) {
          takes = all_ties || (lottery.defined() ? lottery.test(tie) : tie < found.taken);
          ++tie;
        }
        taken |= (left & -left) & -static_cast<std::uint64_t>(takes);
      }
      *to++ |= taken;
    }
    return tie;
  };
  if (all_ties) {
    parallel_for(0, std::ssize(within), 1, [&](std::int64_t first, std::int64_t last) {
      for (std::int64_t c = first; c < last; ++c) choose(c, 0);
    });
  } else {
    std::int64_t tie = 0;
    for (std::int64_t c = 0; c < std::ssize(within); ++c) tie = choose(c, tie);
  }
  return true;
}

/// Chooses in two passes: for the threshold, and to mark what reaches it.
template <class T>
void choose_in_two(const std::vector<Scores>& layers, const Candidates<T>& candidates, std::int64_t count,
                   cpu::Ranking ranking, const SelectOptions& options, std::pair<T, T> bracket, std::int64_t room,
                   std::vector<Buffer<std::uint64_t>>& chosen) {
  const Threshold<T> found = threshold(layers, candidates, count, ranking, bracket, room);
  const bool all_ties = found.taken == found.equal;
  parallel_for(0, std::ssize(candidates.chunks), 1, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t c = first; c < last; ++c) {
      const Chunk<T>& chunk = candidates.chunks[static_cast<std::size_t>(c)];
      cpu::mark_ranks(chunk.scores, chunk.words, chunk.count, ranking, found.last, all_ties,
                      chosen[chunk.layer].data() + chunk.first / 64);
    }
  });
  const Mask lottery = lottery_of(found, options);
  if (!all_ties) add_ties(candidates, found, ranking, lottery, chosen);
}

template <class T>
std::vector<Mask> select_typed(const std::vector<Scores>& layers, std::int64_t count, const SelectOptions& options) {
  constexpr T kInfinity = std::numeric_limits<T>::infinity();
  const cpu::Ranking ranking{.absolute = options.absolute, .negate = options.take == Take::Smallest};
  const Candidates<T> candidates(layers);
  std::vector<Buffer<std::uint64_t>> chosen;
  for (const Tensor& values : candidates.held) chosen.emplace_back((values.numel() + 63) / 64);
  if (candidates.count <= kFewScores) {
    choose_in_two(layers, candidates, count, ranking, options, {-kInfinity, kInfinity}, 0, chosen);
  } else {
    const Bracket<T> around = bracket(candidates, count, ranking);
    const std::pair<T, T> within(around.low, around.high);
    if (around.ties || !choose_within(layers, candidates, count, ranking, options, within, chosen)) {
      choose_in_two(layers, candidates, count, ranking, options, within, 64 * kChunkWords / 4, chosen);
    }
  }
  std::vector<Mask> masks;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Mask& among = layers[l].candidates;
    const bool of_positions = layers[l].values.shape() == among.shape() || among.count() == among.numel();
    masks.push_back(Mask::from_words(among.shape(), of_positions ? std::move(chosen[l]) : spread(among, chosen[l])));
  }
  return masks;
}

}  // namespace

std::vector<Mask> select_global(const std::vector<Scores>& layers, std::int64_t count, SelectOptions options) {
  if (layers.empty()) {
    COPPICE_CHECK(count == 0, "[select] expects layers to choose from; got none for ", count);
    return {};
  }
  check_scores(layers, count);
  if (count == 0) {
    std::vector<Mask> none;
    for (const Scores& layer : layers) none.push_back(Mask::none(layer.candidates.shape()));
    return none;
  }
  return dispatch_floating(layers.front().values.dtype(), "select",
                           [&]<class T>() { return select_typed<T>(layers, count, options); });
}

Mask select(const Scores& scores, std::int64_t count, SelectOptions options) {
  return select_global({scores}, count, options).front();
}

}  // namespace coppice::sparsity
