#include <coppice/sparsity/selection.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>
#include <numeric>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>

#include "tests/error_of.h"

namespace coppice::sparsity {
namespace {

/// A stable sort over the candidates' positions: shares nothing with the radix search.
template <class T>
std::vector<std::int64_t> sorted_choice(const std::vector<T>& scores, const std::vector<std::int64_t>& positions,
                                        std::int64_t count, Take take) {
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    return take == Take::Largest ? scores[a] > scores[b] : scores[a] < scores[b];
  });
  std::vector<std::int64_t> chosen;
  for (std::int64_t i = 0; i < count; ++i) chosen.push_back(positions[order[static_cast<std::size_t>(i)]]);
  std::sort(chosen.begin(), chosen.end());
  return chosen;
}

std::vector<std::int64_t> positions_of(const Mask& mask) {
  std::vector<std::int64_t> positions;
  mask.for_each([&](std::int64_t position, std::int64_t) { positions.push_back(position); });
  return positions;
}

template <class T>
class Selection : public testing::Test {};
using ScoreTypes = testing::Types<float, double>;
TYPED_TEST_SUITE(Selection, ScoreTypes);

TYPED_TEST(Selection, EqualsAStableSort) {
  const Shape shape{37, 53};
  Generator generator(3);
  for (const bool ties : {false, true}) {
    for (const std::int64_t candidates : {1, 64, 700, 37 * 53}) {
      const Mask among = Mask::random(shape, candidates, generator);
      std::vector<TypeParam> dense(static_cast<std::size_t>(shape.numel()));
      for (TypeParam& score : dense) {
        const double value = generator.normal();
        score = static_cast<TypeParam>(ties ? std::round(value) : value);
      }
      const std::vector<std::int64_t> positions = positions_of(among);
      std::vector<TypeParam> packed;
      for (const std::int64_t position : positions) packed.push_back(dense[static_cast<std::size_t>(position)]);
      for (const Take take : {Take::Largest, Take::Smallest}) {
        for (const std::int64_t count : {std::int64_t{0}, std::int64_t{1}, candidates / 3, candidates}) {
          const auto expected = sorted_choice(packed, positions, count, take);
          EXPECT_EQ(positions_of(select({Tensor::of(packed), among, "w"}, count, {.take = take})), expected);
          EXPECT_EQ(positions_of(select({Tensor::of(dense, shape), among, "w"}, count, {.take = take})), expected);
        }
      }
    }
  }
}

/// Scores that a sample of them says little about, or whose thresholds have many ties.
template <class T>
std::vector<std::vector<T>> awkward_scores(std::size_t count) {
  Generator generator(9);
  std::vector<std::vector<T>> all(7, std::vector<T>(count));
  for (std::size_t i = 0; i < count; ++i) {
    const double value = generator.normal();
    all[0][i] = static_cast<T>(value);
    all[1][i] = value < 0.3 ? T{0} : static_cast<T>(value);
    all[2][i] = T{-2};
    all[3][i] = static_cast<T>(i % 64 == 0 ? 1e30 : value);                  // a column of a matrix
    all[4][i] = static_cast<T>(i < count / 2 ? 0.5 + 1e-6 * value : value);  // half of them nearly equal
    all[5][i] = static_cast<T>(std::round(value * 3.0) * (i % 3 == 0 ? -0.0 : 1.0));
    all[6][i] = static_cast<T>(std::round(value * 500.0));  // ties that a sample hardly shows
  }
  return all;
}

TYPED_TEST(Selection, EqualsAStableSortOfManyForAnyNumberOfThreads) {
  constexpr std::int64_t kCount = 150'001;
  Generator generator(4);
  const int threads = num_threads();
  for (const std::vector<TypeParam>& scores : awkward_scores<TypeParam>(kCount)) {
    for (const std::int64_t candidates : {kCount, kCount - 3, std::int64_t{90'000}}) {
      const Mask among = Mask::random({kCount}, candidates, generator);
      const std::vector<std::int64_t> positions = positions_of(among);
      for (const bool absolute : {false, true}) {
        std::vector<TypeParam> ranked;
        for (const std::int64_t at : positions) {
          const TypeParam score = scores[static_cast<std::size_t>(at)];
          ranked.push_back(absolute ? std::abs(score) : score);
        }
        for (const Take take : {Take::Largest, Take::Smallest}) {
          const std::int64_t count = take == Take::Largest ? candidates / 10 : candidates / 2 + 1;
          const auto expected = sorted_choice(ranked, positions, count, take);
          const SelectOptions options{.take = take, .absolute = absolute};
          for (const int used : {1, 2, 3}) {
            set_num_threads(used);
            EXPECT_EQ(positions_of(select({Tensor::of(scores), among, "w"}, count, options)), expected);
            const Tensor packed = WeightState::gather(Tensor::of(scores), among);
            EXPECT_EQ(positions_of(select({packed, among, "w"}, count, options)), expected);
          }
        }
      }
    }
  }
  set_num_threads(threads);
}

TYPED_TEST(Selection, FindsANaNAmongMany) {
  std::vector<TypeParam> scores = awkward_scores<TypeParam>(150'001)[0];
  scores[140'000] = std::numeric_limits<TypeParam>::quiet_NaN();
  const Mask all = Mask::all({150'001});
  const std::string text = error_of([&] { select({Tensor::of(scores), all, "fc1.weight"}, 100); });
  EXPECT_NE(text.find("fc1.weight at position 140000"), std::string::npos) << text;
  const Mask others = all - Mask::from_positions({150'001}, std::array<std::int64_t, 1>{140'000});
  EXPECT_EQ(select({Tensor::of(scores), others, "w"}, 100).count(), 100);
}

TYPED_TEST(Selection, OrdersInfinitiesAndSignedZeros) {
  const auto inf = std::numeric_limits<TypeParam>::infinity();
  const std::vector<TypeParam> scores{TypeParam(0), -inf, TypeParam(-0.0), inf, TypeParam(-1)};
  const Scores all{Tensor::of(scores), Mask::all({5}), "w"};
  EXPECT_EQ(positions_of(select(all, 2)), (std::vector<std::int64_t>{0, 3}));  // 0 before −0: equal, lower position
  EXPECT_EQ(positions_of(select(all, 3, {.take = Take::Smallest})), (std::vector<std::int64_t>{0, 1, 4}));
}

TYPED_TEST(Selection, RanksAbsoluteValues) {
  const Scores all{Tensor::of<TypeParam>({-3, 1, 2, -1, 0}), Mask::all({5}), "w"};
  EXPECT_EQ(positions_of(select(all, 2, {.absolute = true})), (std::vector<std::int64_t>{0, 2}));
  EXPECT_EQ(positions_of(select(all, 2, {.take = Take::Smallest, .absolute = true})),
            (std::vector<std::int64_t>{1, 4}));
}

TYPED_TEST(Selection, NamesTheParameterOfANaN) {
  const std::vector<TypeParam> scores{TypeParam(1), std::numeric_limits<TypeParam>::quiet_NaN(), TypeParam(2)};
  const std::string text = error_of([&] { select({Tensor::of(scores), Mask::all({3}), "fc1.weight"}, 1); });
  EXPECT_NE(text.find("fc1.weight"), std::string::npos) << text;
  // A NaN that is no candidate does not matter.
  EXPECT_EQ(select({Tensor::of(scores), Mask::from_tensor(Tensor::of<bool>({true, false, true})), "w"}, 1).count(), 1);
}

TEST(SelectionGlobal, RanksOverAllLayers) {
  const Scores a{Tensor::of<float>({5, 1, 3}), Mask::all({3}), "a"};
  const Scores b{Tensor::of<float>({4, 3, 9, 0}, Shape{2, 2}), Mask::all({2, 2}), "b"};
  const std::vector<Mask> chosen = select_global({a, b}, 4);
  EXPECT_EQ(positions_of(chosen[0]), (std::vector<std::int64_t>{0, 2}));  // the tie of 3s goes to the earlier layer
  EXPECT_EQ(positions_of(chosen[1]), (std::vector<std::int64_t>{0, 2}));
  EXPECT_THROW(select_global({a, b}, 8), Error);
  EXPECT_THROW(select(a, 4), Error);
}

TEST(SelectionTies, RandomTiesAreExactAndKeyed) {
  const Scores flat{Tensor::zeros({1000}), Mask::all({1000}), "w"};
  Generator first(1), again(1), other(2);
  const Mask chosen = select(flat, 300, {.tie_break = &first});
  EXPECT_EQ(chosen.count(), 300);
  EXPECT_TRUE(chosen == select(flat, 300, {.tie_break = &again}));
  EXPECT_LT(Mask::iou(chosen, select(flat, 300, {.tie_break = &other})), 0.5);
  EXPECT_GT(positions_of(chosen).back(), 900);
}

}  // namespace
}  // namespace coppice::sparsity
