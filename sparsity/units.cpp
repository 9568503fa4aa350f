#include <coppice/sparsity/units.h>

#include <algorithm>
#include <cmath>
#include <utility>
#include <vector>

#include <coppice/core/dtype.h>
#include <coppice/core/error.h>
#include <coppice/core/mask_slots.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice::sparsity::detail {

namespace {

Buffer<std::uint64_t> zero_words(std::int64_t bits) {
  if (bits == 0) return {};
  Buffer<std::uint64_t> words((bits + 63) / 64);
  std::fill(words.begin(), words.end(), std::uint64_t{0});
  return words;
}

void set_bit(Buffer<std::uint64_t>& words, std::int64_t position) {
  words[position / 64] |= std::uint64_t{1} << (position % 64);
}

bool is_dense(const Scores& scores) { return scores.values.shape() == scores.candidates.shape(); }

}  // namespace

Units::Units(const Shape& shape, Pattern pattern) : weight_shape_(shape), pattern_(pattern), unit_shape_(shape) {
  if (single()) return;
  rows_ = shape.empty() ? 1 : shape[0];
  columns_ = rows_ == 0 ? 0 : shape.numel() / rows_;
  const auto blocks = [](std::int64_t size, std::int64_t block) { return (size + block - 1) / block; };
  unit_shape_ = Shape{blocks(rows_, pattern.block_rows()), blocks(columns_, pattern.block_columns())};
}

Mask Units::of(const Mask& weights) const {
  if (single()) return weights;
  Buffer<std::uint64_t> words = zero_words(unit_shape_.numel());
  const std::span<const std::uint64_t> set = weights.words();
  for (std::int64_t row = 0, unit = 0; row < rows_; row += pattern_.block_rows()) {
    for (std::int64_t column = 0; column < columns_; column += pattern_.block_columns(), ++unit) {
      const auto first = static_cast<std::size_t>(row * columns_ + column);
      if (((set[first / 64] >> (first % 64)) & 1U) != 0) set_bit(words, unit);
    }
  }
  return Mask::from_words(unit_shape_, std::move(words));
}

Mask Units::weights(const Mask& units) const {
  if (single()) return units;
  Buffer<std::uint64_t> words = zero_words(weight_shape_.numel());
  units.for_each([&](std::int64_t unit, std::int64_t) {
    const std::int64_t first_row = unit / unit_shape_[1] * pattern_.block_rows();
    const std::int64_t first_column = unit % unit_shape_[1] * pattern_.block_columns();
    for (std::int64_t row = first_row; row < std::min(first_row + pattern_.block_rows(), rows_); ++row) {
      const std::int64_t end = std::min(first_column + pattern_.block_columns(), columns_);
      for (std::int64_t column = first_column; column < end; ++column) set_bit(words, row * columns_ + column);
    }
  });
  return Mask::from_words(weight_shape_, std::move(words), pattern_);
}

Scores Units::scores(const Scores& weights, const Criterion& criterion) const {
  if (single()) return weights;
  const Mask units = of(weights.candidates);
  const Tensor values = coppice::detail::raw_contiguous(weights.values);
  const Tensor result = Tensor::empty({units.count()}, {.dtype = values.dtype()});
  const bool dense = is_dense(weights);
  dispatch_floating(values.dtype(), "select", [&]<class T>() {
    const T* const in = values.data<T>();
    T* const out = result.data<T>();
    const std::int64_t height = pattern_.block_rows();
    const std::int64_t width = pattern_.block_columns();
    parallel_for(0, unit_shape_[0], 16, [&](std::int64_t first, std::int64_t last) {
      std::vector<double> sums(static_cast<std::size_t>(unit_shape_[1]));
      for (std::int64_t block_row = first; block_row < last; ++block_row) {
        std::ranges::fill(sums, 0.0);
        const std::int64_t top = block_row * height;
        coppice::detail::for_each_in_rows(weights.candidates, columns_, top, std::min(top + height, rows_),
                                          [&](std::int64_t row, std::int64_t column, std::int64_t slot) {
                                            const auto score =
                                                static_cast<double>(in[dense ? row * columns_ + column : slot]);
                                            double& sum = sums[static_cast<std::size_t>(column / width)];
                                            if (criterion.additive) {
                                              sum += criterion.absolute ? std::abs(score) : score;
                                            } else if (row == top && column % width == 0) {
                                              sum = score;
                                            }
                                          });
        coppice::detail::for_each_in_rows(units, unit_shape_[1], block_row, block_row + 1,
                                          [&](std::int64_t, std::int64_t block, std::int64_t slot) {
                                            out[slot] = static_cast<T>(sums[static_cast<std::size_t>(block)]);
                                          });
      }
    });
  });
  return {.values = result, .candidates = units, .name = weights.name};
}

Scores within_groups(const Scores& scores, std::int64_t m, std::int64_t capacity, const Mask& occupied,
                     const SelectOptions& options) {
  const Tensor values = coppice::detail::raw_contiguous(scores.values);
  const bool dense = is_dense(scores);
  const std::int64_t groups = scores.candidates.numel() / m;
  std::vector<std::int64_t> room(static_cast<std::size_t>(groups), capacity);
  occupied.for_each([&](std::int64_t position, std::int64_t) { --room[static_cast<std::size_t>(position / m)]; });

  Buffer<std::uint64_t> words = zero_words(scores.candidates.numel());
  struct Candidate {
    double rank;
    std::int64_t position;
  };
  std::vector<Candidate> group;
  const auto take_best = [&] {
    if (group.empty()) return;
    const std::int64_t left = std::max<std::int64_t>(0, room[static_cast<std::size_t>(group.front().position / m)]);
    // A NaN is left for the selection to refuse.
    const bool ranked = std::ranges::none_of(group, [](const Candidate& c) { return std::isnan(c.rank); });
    if (ranked && std::ssize(group) > left) {
      std::ranges::stable_sort(group, [](const Candidate& a, const Candidate& b) { return a.rank > b.rank; });
      group.resize(static_cast<std::size_t>(left));
    }
    for (const Candidate& candidate : group) set_bit(words, candidate.position);
    group.clear();
  };
  dispatch_floating(values.dtype(), "select", [&]<class T>() {
    const T* const in = values.data<T>();
    scores.candidates.for_each([&](std::int64_t position, std::int64_t slot) {
      if (!group.empty() && group.front().position / m != position / m) take_best();
      const auto score = static_cast<double>(in[dense ? position : slot]);
      const double ranked = options.absolute ? std::abs(score) : score;
      group.push_back({options.take == Take::Smallest ? -ranked : ranked, position});
    });
  });
  take_best();
  const Mask best = Mask::from_words(scores.candidates.shape(), std::move(words));
  return {.values = dense ? values : WeightState::remap(values, scores.candidates, best),
          .candidates = best,
          .name = scores.name};
}

}  // namespace coppice::sparsity::detail
