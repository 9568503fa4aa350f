#include <coppice/ops/precise_roi_pool.h>

#include <algorithm>
#include <cmath>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

/// Inside, partly outside, far outside, within one pixel, without area.
Tensor some_boxes() {
  return Tensor::of({0.0,  1.2,  2.3, 6.1,  7.9,  1.0, -3.5, -2.0, 4.0, 3.0, 0.0, 30.0, 40.0,
                     50.0, 60.0, 1.0, 5.05, 5.05, 5.2, 5.3,  1.0,  6.0, 6.0, 6.0, 8.0},
                    Shape{5, 5});
}

/// The mean over a rectangle by the trapezoid rule between the kinks, where it is exact: the function is linear in each
/// coordinate there.
double mean_over(const Tensor& x, std::int64_t n, std::int64_t c, double y1, double x1, double y2, double x2) {
  if (y2 <= y1 || x2 <= x1) return 0.0;
  const auto value = [&](double y, double at) {
    double sum = 0.0;
    for (std::int64_t r = 0; r < x.size(2); ++r)
      for (std::int64_t s = 0; s < x.size(3); ++s) {
        sum += std::max(0.0, 1.0 - std::abs(y - double(r))) * std::max(0.0, 1.0 - std::abs(at - double(s))) *
               testing::element_at(x, {n, c, r, s});
      }
    return sum;
  };
  const auto cuts = [](double from, double to) {
    std::vector<double> result = {from};
    for (double k = std::floor(from) + 1.0; k < to; k += 1.0) result.push_back(k);
    result.push_back(to);
    return result;
  };
  double sum = 0.0;
  const std::vector<double> ys = cuts(y1, y2), xs = cuts(x1, x2);
  for (std::size_t i = 0; i + 1 < ys.size(); ++i)
    for (std::size_t j = 0; j + 1 < xs.size(); ++j) {
      const double corners =
          value(ys[i], xs[j]) + value(ys[i + 1], xs[j]) + value(ys[i], xs[j + 1]) + value(ys[i + 1], xs[j + 1]);
      sum += 0.25 * corners * (ys[i + 1] - ys[i]) * (xs[j + 1] - xs[j]);
    }
  return sum / ((y2 - y1) * (x2 - x1));
}

TEST(PreciseRoiPool, IsTheMeanOfTheInterpolatedFeatures) {
  const Tensor input = normal({2, 2, 9, 11}, 3, kFloat64), boxes = some_boxes();
  for (const double scale : {1.0, 0.5}) {
    const Tensor output = precise_roi_pool(input, boxes, {3, 2}, scale);
    const Tensor single = precise_roi_pool(input.to(kFloat32), boxes.to(kFloat32), {3, 2}, scale);
    testing::for_each_index(output.shape(), [&](const std::vector<std::int64_t>& i) {
      const auto box = [&](std::int64_t k) { return testing::element_at(boxes, {i[0], k}) * (k == 0 ? 1.0 : scale); };
      const double h = (box(4) - box(2)) / 3.0, w = (box(3) - box(1)) / 2.0;
      const double y = box(2) + double(i[2]) * h, x = box(1) + double(i[3]) * w;
      const double expected = mean_over(input, static_cast<std::int64_t>(box(0)), i[1], y, x, y + h, x + w);
      ASSERT_NEAR(testing::element_at(output, i), expected, 1e-11) << i[0];
      ASSERT_NEAR(testing::element_at(single, i), expected, 1e-4) << i[0];
    });
  }
}

TEST(PreciseRoiPool, GradientsAgreeWithDifferences) {
  // Without the box that has no area: there the gradient jumps.
  const Tensor boxes = some_boxes().narrow(0, 0, 4).clone();
  for (const double scale : {1.0, 0.5}) {
    const auto pool = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{precise_roi_pool(x[0], x[1], {2, 3}, scale)};
    };
    const Tensor input = leaf({2, 2, 9, 11}, 5);
    gradcheck(pool, {input, boxes});
    expect_no_leak(pool, {input, boxes}, {.create_graph = false});
    // By the corners alone: the numbers of images are whole.
    const Tensor rows = boxes.clone().requires_grad_();
    const Tensor output = precise_roi_pool(input.detach(), rows, {2, 3}, scale);
    const Tensor weights = normal(output.shape(), 7, kFloat64);
    output.backward(weights);
    const auto total = [&](std::size_t element, double step) {
      std::vector<double> moved = boxes.to_vector<double>();
      moved[element] += step;
      const std::vector<double> y =
          precise_roi_pool(input.detach(), Tensor::of(moved, Shape{4, 5}), {2, 3}, scale).to_vector<double>();
      const std::vector<double> w = weights.to_vector<double>();
      double sum = 0.0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * w[i];
      return sum;
    };
    const std::vector<double> gradient = rows.grad().to_vector<double>();
    for (std::size_t i = 0; i < gradient.size(); ++i) {
      if (i % 5 == 0) {
        EXPECT_EQ(gradient[i], 0.0);
      } else {
        EXPECT_NEAR(gradient[i], (total(i, 1e-6) - total(i, -1e-6)) / 2e-6,
                    1e-6 * std::max(1.0, std::abs(gradient[i])));
      }
    }
  }
}

TEST(PreciseRoiPool, IsBitwiseTheSameForAnyNumberOfThreads) {
  for (const bool by_boxes : {false, true}) {
    testing::expect_same_for_any_threads([&] {
      const Tensor x = normal({2, 9, 9, 11}, 3).requires_grad_();
      const Tensor boxes = some_boxes().to(kFloat32).requires_grad_();
      const Tensor y = precise_roi_pool(x, boxes, {5, 5});
      y.backward(y.detach());
      return by_boxes ? boxes.grad() : x.grad();
    });
  }
}

TEST(PreciseRoiPool, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 1, 4, 4});
  expect_error(
      [&] {
        precise_roi_pool(input, Tensor::zeros({2, 5}), {0, 2});
      },
      "[precise_roi_pool] expects an output of at least 1 × 1; got (0, 2)");
  expect_error(
      [&] {
        precise_roi_pool(input, Tensor::zeros({2, 5}, {.dtype = kFloat64}), {2, 2});
      },
      "[precise_roi_pool] expects float32 or float64, both of one dtype; got float32 and float64");
}

}  // namespace
}  // namespace coppice
