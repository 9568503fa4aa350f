#include <coppice/sparsity/selection.h>

#include <bit>
#include <cmath>
#include <type_traits>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>

namespace coppice::sparsity {

namespace {

constexpr int kDigitBits = 16;
constexpr std::size_t kDigits = std::size_t{1} << kDigitBits;

template <class T>
using KeyOf = std::conditional_t<sizeof(T) == 4, std::uint32_t, std::uint64_t>;

/// An unsigned key that orders as the preference does: the wanted end of the scores has the largest keys.
template <class T>
KeyOf<T> key_of(T score, const SelectOptions& options) {
  using Key = KeyOf<T>;
  constexpr Key kSign = Key{1} << (8 * sizeof(T) - 1);
  const T ranked = score == T{0} ? T{0} : score;
  const Key bits = std::bit_cast<Key>(options.absolute ? std::abs(ranked) : ranked);
  const Key ascending = (bits & kSign) != 0 ? static_cast<Key>(~bits) : static_cast<Key>(bits | kSign);
  return options.take == Take::Largest ? ascending : static_cast<Key>(~ascending);
}

/// Calls visit(layer, position, score) for every candidate, layer by layer in order of position.
template <class T, class Visit>
void for_each_score(const std::vector<Scores>& layers, Visit&& visit) {
  for (std::size_t l = 0; l < layers.size(); ++l) {
    const Tensor values = coppice::detail::raw_contiguous(layers[l].values);
    const T* scores = values.data<T>();
    const bool dense = values.shape() == layers[l].candidates.shape();
    layers[l].candidates.for_each(
        [&](std::int64_t position, std::int64_t slot) { visit(l, position, scores[dense ? position : slot]); });
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

/// The key of the last one taken, and how many of those equal to it are taken, by a radix search from the top digit.
template <class T>
std::pair<KeyOf<T>, std::int64_t> threshold(const std::vector<Scores>& layers, std::int64_t count,
                                            const SelectOptions& options) {
  using Key = KeyOf<T>;
  constexpr int kKeyBits = 8 * static_cast<int>(sizeof(Key));
  Key prefix = 0;
  std::int64_t wanted = count;
  std::vector<std::int64_t> histogram(kDigits);
  for (int shift = kKeyBits - kDigitBits; shift >= 0; shift -= kDigitBits) {
    std::fill(histogram.begin(), histogram.end(), 0);
    const bool first = shift == kKeyBits - kDigitBits;
    for_each_score<T>(layers, [&](std::size_t l, std::int64_t position, T score) {
      COPPICE_CHECK(!first || !std::isnan(score), "[select] expects scores that are numbers; got NaN for ",
                    layers[l].name, " at position ", position, "; the training has diverged or the loss is undefined");
      const Key key = key_of(score, options);
      if (!first && static_cast<Key>(key >> (shift + kDigitBits)) != prefix) return;
      ++histogram[static_cast<std::size_t>(key >> shift) & (kDigits - 1)];
    });
    std::size_t digit = kDigits - 1;
    while (histogram[digit] < wanted) wanted -= histogram[digit--];
    prefix = static_cast<Key>((first ? Key{0} : static_cast<Key>(prefix << kDigitBits)) | static_cast<Key>(digit));
  }
  return {prefix, wanted};
}

template <class T>
std::vector<Mask> select_typed(const std::vector<Scores>& layers, std::int64_t count, SelectOptions options) {
  const auto [last, ties_taken] = threshold<T>(layers, count, options);
  Mask lottery;
  if (options.tie_break != nullptr) {
    std::int64_t ties = 0;
    for_each_score<T>(
        layers, [&, key = last](std::size_t, std::int64_t, T score) { ties += key_of(score, options) == key ? 1 : 0; });
    lottery = Mask::random(Shape{ties}, ties_taken, *options.tie_break);
  }
  std::vector<Buffer<std::uint64_t>> words;
  for (const Scores& layer : layers) {
    words.emplace_back((layer.candidates.numel() + 63) / 64);
    std::fill(words.back().begin(), words.back().end(), std::uint64_t{0});
  }
  std::int64_t tie = 0;
  for_each_score<T>(layers, [&, key = last, taken = ties_taken](std::size_t l, std::int64_t position, T score) {
    const KeyOf<T> mine = key_of(score, options);
    if (mine < key) return;
    if (mine == key) {
      const std::int64_t rank = tie++;
      if (lottery.defined() ? !lottery.test(rank) : rank >= taken) return;
    }
    words[l][position / 64] |= std::uint64_t{1} << (position % 64);
  });
  std::vector<Mask> chosen;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    chosen.push_back(Mask::from_words(layers[l].candidates.shape(), std::move(words[l])));
  }
  return chosen;
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
