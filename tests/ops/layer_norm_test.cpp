#include <coppice/ops/layer_norm.h>

#include <gtest/gtest.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

/// Normalises runs of `columns` elements by plain loops; the parameter of element i of run r is parameter(r, i).
template <class Parameter>
std::vector<double> naive_norm(const Tensor& input, std::int64_t columns, const std::vector<double>& weight,
                               const std::vector<double>& bias, double eps, Parameter parameter) {
  const auto x = input.to_vector<double>();
  std::vector<double> result;
  for (std::int64_t r = 0; r * columns < input.numel(); ++r) {
    double total = 0.0, squares = 0.0;
    for (std::int64_t i = 0; i < columns; ++i) total += x[static_cast<std::size_t>(r * columns + i)];
    const double mean = total / static_cast<double>(columns);
    for (std::int64_t i = 0; i < columns; ++i) {
      const double d = x[static_cast<std::size_t>(r * columns + i)] - mean;
      squares += d * d;
    }
    const double deviation = std::sqrt(squares / static_cast<double>(columns) + eps);
    for (std::int64_t i = 0; i < columns; ++i) {
      const auto p = static_cast<std::size_t>(parameter(r, i));
      result.push_back((x[static_cast<std::size_t>(r * columns + i)] - mean) / deviation * weight[p] + bias[p]);
    }
  }
  return result;
}

void expect_near(const Tensor& got, const std::vector<double>& expected, double tolerance) {
  const auto values = got.to_vector<double>();
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], tolerance) << i;
}

TEST(LayerNorm, MatchesTheDefinition) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t columns : {1, 3, 64, 67, 130}) {
      const Tensor x = normal({2, 5, columns}, 1, dtype);
      const Tensor w = normal({columns}, 2, dtype), b = normal({columns}, 3, dtype);
      const auto at = [](std::int64_t, std::int64_t i) { return i; };
      const auto expected = naive_norm(x, columns, w.to_vector<double>(), b.to_vector<double>(), 1e-5, at);
      expect_near(layer_norm(x, {columns}, w, b), expected, dtype == kFloat32 ? 2e-5 : 1e-12);
    }
  }
}

TEST(LayerNorm, TakesSeveralDimensionsAndNoParameters) {
  const Tensor x = normal({3, 4, 5}, 1, kFloat64);
  const std::vector<double> one(20, 1.0), zero(20, 0.0);
  const auto at = [](std::int64_t, std::int64_t i) { return i; };
  expect_near(layer_norm(x, {4, 5}, {}, {}, {.eps = 0.1}), naive_norm(x, 20, one, zero, 0.1, at), 1e-13);
  const Tensor w = normal({4, 5}, 2, kFloat64);
  expect_near(layer_norm(x, {4, 5}, w), naive_norm(x, 20, w.to_vector<double>(), zero, 1e-5, at), 1e-13);
  expect_near(layer_norm(x, {4, 5}, {}, w), naive_norm(x, 20, one, w.to_vector<double>(), 1e-5, at), 1e-13);
  EXPECT_EQ(layer_norm(Tensor::zeros({0, 3}), {3}).shape(), (Shape{0, 3}));
}

TEST(GroupNorm, MatchesTheDefinition) {
  for (const std::int64_t groups : {1, 2, 6}) {
    for (const Shape& shape : {Shape{3, 6, 4, 5}, Shape{3, 6}, Shape{2, 6, 70}}) {
      const Tensor x = normal(shape, 1, kFloat64), w = normal({6}, 2, kFloat64), b = normal({6}, 3, kFloat64);
      const std::int64_t inner = shape.numel() / shape[0] / 6;
      const auto at = [&](std::int64_t r, std::int64_t i) { return r % groups * (6 / groups) + i / inner; };
      expect_near(group_norm(x, groups, w, b),
                  naive_norm(x, inner * 6 / groups, w.to_vector<double>(), b.to_vector<double>(), 1e-5, at), 1e-12);
    }
  }
}

TEST(InstanceNorm, MatchesTheDefinitionAndKeepsStatistics) {
  const Tensor x = normal({3, 2, 4, 5}, 1, kFloat64), w = normal({2}, 2, kFloat64), b = normal({2}, 3, kFloat64);
  const Tensor running_mean = Tensor::zeros({2}, {.dtype = kFloat64});
  const Tensor running_var = Tensor::ones({2}, {.dtype = kFloat64});
  const auto at = [](std::int64_t r, std::int64_t) { return r % 2; };
  expect_near(instance_norm(x, running_mean, running_var, w, b),
              naive_norm(x, 20, w.to_vector<double>(), b.to_vector<double>(), 1e-5, at), 1e-12);
  for (std::size_t c = 0; c < 2; ++c) {
    double means = 0.0, variances = 0.0;
    for (std::int64_t n = 0; n < 3; ++n) {
      const auto v = x.select(0, n).select(0, static_cast<int>(c)).to_vector<double>();
      double total = 0.0, squares = 0.0;
      for (const double e : v) total += e;
      for (const double e : v) squares += (e - total / 20) * (e - total / 20);
      means += total / 20 / 3;
      variances += squares / 19 / 3;
    }
    EXPECT_NEAR(running_mean.to_vector<double>()[c], 0.1 * means, 1e-14);
    EXPECT_NEAR(running_var.to_vector<double>()[c], 0.9 + 0.1 * variances, 1e-13);
  }
  const Tensor held = instance_norm(x, running_mean, running_var, w, b, {.use_input_stats = false});
  const double first = (x.to_vector<double>()[0] - running_mean.to_vector<double>()[0]) /
                           std::sqrt(running_var.to_vector<double>()[0] + 1e-5) * w.to_vector<double>()[0] +
                       b.to_vector<double>()[0];
  EXPECT_NEAR(held.to_vector<double>()[0], first, 1e-13);
}

TEST(LayerNorm, GradientsAgreeWithDifferencesTwice) {
  testing::check_gradients([](auto& v) { return layer_norm(v[0], {5}, v[1], v[2]); },
                           {leaf({3, 5}, 1), leaf({5}, 2), leaf({5}, 3)});
  testing::check_gradients([](auto& v) { return layer_norm(v[0], {2, 3}); }, {leaf({2, 2, 3}, 1)});
  testing::check_gradients([](auto& v) { return group_norm(v[0], 2, v[1], v[2]); },
                           {leaf({2, 4, 3}, 1), leaf({4}, 2), leaf({4}, 3)});
  testing::check_gradients([](auto& v) { return instance_norm(v[0], {}, {}, v[1], v[2]); },
                           {leaf({2, 2, 3}, 1), leaf({2}, 2), leaf({2}, 3)});
}

TEST(LayerNorm, IsTheSameForAnyNumberOfThreads) {
  const auto gradient = [](bool of_weight) {
    const Tensor x = normal({700, 70}, 4).requires_grad_(), w = normal({70}, 5).requires_grad_();
    layer_norm(x, {70}, w).backward(normal({700, 70}, 6));
    return of_weight ? w.grad() : x.grad();
  };
  testing::expect_same_for_any_threads([&] { return gradient(false); });
  testing::expect_same_for_any_threads([&] { return gradient(true); });
}

TEST(LayerNorm, ErrorsNameShapes) {
  EXPECT_EQ(error_of([] {
              return layer_norm(Tensor::zeros({2, 3}), {4});
            }),
            "[layer_norm] expects an input whose last dimensions are (4); got (2, 3)");
  EXPECT_EQ(error_of([] {
              return layer_norm(Tensor::zeros({2, 3}), {3}, Tensor::zeros({2}));
            }),
            "[layer_norm] expects weight and bias float32 (3); got float32 (2) for input (2, 3)");
  EXPECT_EQ(error_of([] {
              return group_norm(Tensor::zeros({2, 3}), 2);
            }),
            "[group_norm] num_groups=2 must divide the channels; got input (2, 3)");
}

}  // namespace
}  // namespace coppice
