#include <coppice/ops/correlation.h>

#include <cmath>
#include <limits>

#include <coppice/ops/pool2d.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using testing::small_integers;

TEST(AllPairsCorrelation, IsTheDotProductOfEveryPair) {
  const Tensor a = small_integers({2, 5, 3, 4}, 3), b = small_integers({2, 5, 4, 3}, 5);
  const Tensor volume = all_pairs_correlation(a, b, {.scale = 0.5});
  ASSERT_EQ(volume.shape(), (Shape{2, 3, 4, 4, 3}));
  testing::for_each_index(volume.shape(), [&](const std::vector<std::int64_t>& i) {
    double sum = 0.0;
    for (std::int64_t c = 0; c < 5; ++c) {
      sum += testing::element_at(a, {i[0], c, i[1], i[2]}) * testing::element_at(b, {i[0], c, i[3], i[4]});
    }
    ASSERT_EQ(testing::element_at(volume, i), 0.5 * sum);
  });
  testing::check_gradients([](const std::vector<Tensor>& x) { return all_pairs_correlation(x[0], x[1]); },
                           {leaf({1, 3, 2, 3}, 7), leaf({1, 3, 3, 2}, 9)});
}

TEST(CorrelationPyramid, HasTheMeansOfTwoByTwo) {
  for (const Shape& shape :
       {Shape{1, 2, 3, 8, 8}, Shape{2, 1, 2, 13, 37}, Shape{1, 1, 1, 5, 4}, Shape{0, 2, 2, 8, 9}}) {
    const Tensor volume = small_integers(shape, 3);
    const std::vector<Tensor> pyramid = correlation_pyramid(volume, 3);
    ASSERT_EQ(pyramid.size(), 3U);
    Tensor expected = volume.view({shape[0] * shape[1] * shape[2], 1, shape[3], shape[4]});
    for (std::size_t level = 1; level < 3; ++level) {
      expected = avg_pool2d(expected, {2, 2});
      ASSERT_EQ(pyramid[level].to_vector<float>(), expected.to_vector<float>());
    }
  }
}

TEST(CorrelationPyramid, GradientsAgreeWithDifferences) {
  const auto levels = [](const std::vector<Tensor>& x) { return correlation_pyramid(x[0], 3); };
  gradcheck(levels, {leaf({1, 1, 2, 5, 9}, 5)});
  expect_no_leak(levels, {leaf({1, 1, 2, 4, 8}, 5)}, {.create_graph = false});
  const auto coarsest = [](const std::vector<Tensor>& x) { return std::vector{correlation_pyramid(x[0], 3)[2]}; };
  gradcheck(coarsest, {leaf({1, 1, 2, 5, 9}, 5)});
}

/// The bilinear sample of element (y, x) of a map (h, w), zeros outside.
double sample(const std::vector<double>& maps, std::int64_t map, std::int64_t h, std::int64_t w, double x, double y) {
  double sum = 0.0;
  for (std::int64_t row = 0; row < h; ++row)
    for (std::int64_t column = 0; column < w; ++column) {
      const double weight =
          std::max(0.0, 1.0 - std::abs(x - double(column))) * std::max(0.0, 1.0 - std::abs(y - double(row)));
      if (weight > 0.0) sum += weight * maps[static_cast<std::size_t>((map * h + row) * w + column)];
    }
  return sum;
}

std::vector<double> reference(const std::vector<Tensor>& pyramid, const Tensor& coordinates, std::int64_t radius) {
  const std::int64_t n = pyramid[0].size(0), h = pyramid[0].size(1), w = pyramid[0].size(2);
  std::vector<double> result;
  for (std::int64_t image = 0; image < n; ++image)
    for (std::size_t l = 0; l < pyramid.size(); ++l) {
      const std::vector<double> maps = pyramid[l].to_vector<double>();
      for (std::int64_t dx = -radius; dx <= radius; ++dx)
        for (std::int64_t dy = -radius; dy <= radius; ++dy)
          for (std::int64_t y = 0; y < h; ++y)
            for (std::int64_t x = 0; x < w; ++x) {
              const double at_x = testing::element_at(coordinates, {image, 0, y, x}) / std::exp2(l) + double(dx);
              const double at_y = testing::element_at(coordinates, {image, 1, y, x}) / std::exp2(l) + double(dy);
              result.push_back(
                  sample(maps, (image * h + y) * w + x, pyramid[l].size(3), pyramid[l].size(4), at_x, at_y));
            }
    }
  return result;
}

/// Coordinates in and around maps of 9 × 13 pixels, also far outside.
Tensor some_coordinates(const Shape& shape) {
  std::vector<double> values = normal(shape, 11, kFloat64).to_vector<double>();
  for (double& value : values) value = 5.0 + 6.0 * value;
  if (!values.empty()) values[0] = 1e12;
  if (values.size() > 3) values[3] = std::numeric_limits<double>::quiet_NaN();
  return Tensor::of(values, shape);
}

TEST(CorrelationLookup, MatchesTheDefinition) {
  for (const std::int64_t radius : {0, 1, 3, 4}) {
    for (const std::int64_t n : {0, 1, 2}) {
      const Tensor a = normal({n, 6, 4, 5}, 3, kFloat64), b = normal({n, 6, 9, 13}, 5, kFloat64);
      const std::vector<Tensor> pyramid = correlation_pyramid(all_pairs_correlation(a, b), 3);
      const Tensor at = some_coordinates({n, 2, 4, 5});
      const std::vector<double> expected = reference(pyramid, at, radius);
      const std::vector<double> actual = correlation_lookup(pyramid, at, radius).to_vector<double>();
      const std::vector<double> direct =
          correlation_lookup_direct(a, b, at, {.radius = radius, .levels = 3}).to_vector<double>();
      ASSERT_EQ(actual.size(), expected.size());
      for (std::size_t i = 0; i < expected.size(); ++i) {
        ASSERT_NEAR(actual[i], expected[i], 1e-12) << i;
        ASSERT_NEAR(direct[i], expected[i], 1e-12) << i;
      }
      const std::vector<double> single =
          correlation_lookup_direct(a.to(kFloat32), b.to(kFloat32), at.to(kFloat32), {.radius = radius, .levels = 3})
              .to_vector<double>();
      for (std::size_t i = 0; i < expected.size(); ++i) ASSERT_NEAR(single[i], expected[i], 1e-4) << i;
    }
  }
}

/// Away from whole pixels, where samples have kinks.
Tensor smooth_coordinates() {
  std::vector<double> values;
  for (int i = 0; i < 12; ++i) values.push_back(0.3 + 0.71 * i + (i % 3 == 0 ? -4.0 : 0.0));
  return Tensor::of(values, Shape{1, 2, 2, 3}, {.requires_grad = true});
}

TEST(CorrelationLookup, GradientsAgreeWithDifferences) {
  const auto lookup = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{correlation_lookup({x[0], x[1]}, x[2], 1)};
  };
  const std::vector<Tensor> inputs = {leaf({1, 2, 3, 6, 7}, 3), leaf({1, 2, 3, 3, 3}, 5), smooth_coordinates()};
  gradcheck(lookup, inputs);
  expect_no_leak(lookup, inputs, {.create_graph = false});
  const auto direct = [](const std::vector<Tensor>& x) {
    return std::vector<Tensor>{correlation_lookup_direct(x[0], x[1], x[2], {.radius = 1, .levels = 2})};
  };
  const std::vector<Tensor> maps = {leaf({1, 3, 2, 3}, 3), leaf({1, 3, 6, 7}, 5), smooth_coordinates()};
  gradcheck(direct, maps);
  expect_no_leak(direct, maps, {.create_graph = false});
}

TEST(CorrelationLookup, IsBitwiseTheSameForAnyNumberOfThreads) {
  const Tensor at = some_coordinates({2, 2, 9, 13}).to(kFloat32);
  for (int which = 0; which < 3; ++which) {
    testing::expect_same_for_any_threads([&] {
      const Tensor a = normal({2, 20, 9, 13}, 3).requires_grad_(), b = normal({2, 20, 9, 13}, 5).requires_grad_();
      const Tensor output = which < 2 ? correlation_lookup_direct(a, b, at, {.levels = 3})
                                      : correlation_lookup(correlation_pyramid(all_pairs_correlation(a, b), 3), at);
      output.backward(output.detach());
      return which == 0 ? a.grad() : b.grad();
    });
  }
}

TEST(CorrelationLookup, SaysWhatDoesNotFit) {
  const Tensor a = Tensor::zeros({1, 2, 3, 4});
  expect_error(
      [&] {
        all_pairs_correlation(a, Tensor::zeros({1, 3, 3, 4}));
      },
      "[all_pairs_correlation] expects feature maps (n, c, h, w) and (n, c, h₂, w₂); got (1, 2, 3, 4) and (1, 3, "
      "3, 4)");
  const Tensor volume = all_pairs_correlation(a, a);
  expect_error(
      [&] { correlation_pyramid(volume, 3); },
      "[correlation_pyramid] expects at least 1 level and maps that can be halved between levels; got 3 levels of "
      "(1, 3, 4, 3, 4)");
  expect_error(
      [&] {
        correlation_lookup({volume}, Tensor::zeros({1, 2, 4, 3}));
      },
      "[correlation_lookup] expects coordinates (1, 2, 3, 4) of float32; got (1, 2, 4, 3) of float32");
}

}  // namespace
}  // namespace coppice
