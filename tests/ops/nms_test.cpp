#include <coppice/ops/nms.h>

#include <algorithm>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using Indices = std::vector<std::int64_t>;

TEST(Nms, KeepsTheBestOfOverlappingBoxes) {
  // The second overlaps the first by 1 / 3, the third by 9 / 11; the fourth lies apart.
  const Tensor boxes = Tensor::of(
      {0.F, 0.F, 10.F, 10.F, 0.F, 5.F, 10.F, 15.F, 0.F, 1.F, 10.F, 11.F, 20.F, 20.F, 30.F, 30.F}, Shape{4, 4});
  const Tensor scores = Tensor::of({0.5F, 0.9F, 0.8F, 0.1F});
  EXPECT_EQ(nms(boxes, scores, 0.5).to_vector<std::int64_t>(), (Indices{1, 2, 3}));
  EXPECT_EQ(nms(boxes, scores, 0.3).to_vector<std::int64_t>(), (Indices{1, 3}));
  EXPECT_EQ(nms(boxes, scores, 1.0).to_vector<std::int64_t>(), (Indices{1, 2, 0, 3}));
  const Tensor classes = Tensor::of({std::int64_t{0}, std::int64_t{1}, std::int64_t{0}, std::int64_t{1}});
  EXPECT_EQ(batched_nms(boxes, scores, classes, 0.3).to_vector<std::int64_t>(), (Indices{1, 2, 3}));
  EXPECT_EQ(nms(Tensor::zeros({0, 4}), Tensor::zeros({0}), 0.5).shape(), Shape{0});
}

TEST(Nms, EqualScoresAndEqualBoxesGoByIndex) {
  const Tensor boxes =
      Tensor::of({0.0, 0.0, 2.0, 2.0, 0.0, 0.0, 2.0, 2.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0, 4.0}, Shape{4, 4});
  const Tensor scores = Tensor::ones({4}, {.dtype = kFloat64});
  // Boxes without area have no intersection over union (0 / 0) and suppress nothing.
  EXPECT_EQ(nms(boxes, scores, 0.5).to_vector<std::int64_t>(), (Indices{0, 2, 3}));
}

TEST(Nms, MatchesTheDefinitionOnManyBoxes) {
  Generator generator(3);
  const std::int64_t count = 300;
  const std::vector<double> at = Tensor::rand({count, 4}, generator, {.dtype = kFloat64}).to_vector<double>();
  std::vector<double> boxes;
  for (std::size_t i = 0; i < at.size(); i += 4) {
    boxes.insert(boxes.end(), {at[i], at[i + 1], at[i] + 0.3 * at[i + 2], at[i + 1] + 0.3 * at[i + 3]});
  }
  const Tensor scores = Tensor::rand({count}, generator, {.dtype = kFloat64});
  const std::vector<double> s = scores.to_vector<double>();
  const auto iou = [&](std::int64_t i, std::int64_t j) {
    const double *a = boxes.data() + 4 * i, *b = boxes.data() + 4 * j;
    const double w = std::max(0.0, std::min(a[2], b[2]) - std::max(a[0], b[0]));
    const double h = std::max(0.0, std::min(a[3], b[3]) - std::max(a[1], b[1]));
    return w * h / ((a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - w * h);
  };
  Indices left(static_cast<std::size_t>(count)), expected;
  for (std::size_t i = 0; i < left.size(); ++i) left[i] = static_cast<std::int64_t>(i);
  while (!left.empty()) {
    const std::int64_t best = *std::max_element(left.begin(), left.end(), [&](std::int64_t a, std::int64_t b) {
      return s[static_cast<std::size_t>(a)] < s[static_cast<std::size_t>(b)];
    });
    expected.push_back(best);
    std::erase_if(left, [&](std::int64_t i) { return i == best || iou(best, i) > 0.4; });
  }
  EXPECT_EQ(nms(Tensor::of(boxes, Shape{count, 4}), scores, 0.4).to_vector<std::int64_t>(), expected);
  EXPECT_LT(expected.size(), 290U);
}

TEST(Nms, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        nms(Tensor::zeros({3, 4}), Tensor::zeros({4}), 0.5);
      },
      "[nms] expects boxes (k, 4) and scores (k); got (3, 4) and (4)");
  expect_error(
      [] {
        batched_nms(Tensor::zeros({3, 4}), Tensor::zeros({3}), Tensor::zeros({3}), 0.5);
      },
      "[batched_nms] expects classes (3) of int64; got (3) of float32");
}

}  // namespace
}  // namespace coppice
