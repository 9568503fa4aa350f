#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

/// exp(x_i) / Σ exp(x_j) by plain loops over a row, in f64.
std::vector<double> naive_softmax(const std::vector<double>& row) {
  const double largest = *std::max_element(row.begin(), row.end());
  double total = 0;
  for (const double x : row) total += std::exp(x - largest);
  std::vector<double> result;
  for (const double x : row) result.push_back(std::exp(x - largest) / total);
  return result;
}

TEST(Softmax, MatchesTheDefinition) {
  for (const std::int64_t columns : {1, 2, 3, 10, 63, 64, 65, 200, 1000}) {
    const Tensor x = normal({5, columns}, static_cast<std::uint64_t>(columns)) * 4;
    const Tensor y = softmax(x);
    const Tensor l = log_softmax(x);
    for (std::int64_t r = 0; r < 5; ++r) {
      const auto expected = naive_softmax(x.select(0, r).to_vector<double>());
      const auto got = y.select(0, r).to_vector<double>();
      const auto log_got = l.select(0, r).to_vector<double>();
      for (std::size_t i = 0; i < expected.size(); ++i) {
        // x − max, up to 30 here, is rounded before it is exponentiated.
        EXPECT_NEAR(got[i], expected[i], 34 * 0x1p-24 * expected[i]) << columns;
        EXPECT_NEAR(log_got[i], std::log(expected[i]), 2e-6 * (1 + std::abs(std::log(expected[i])))) << columns;
      }
    }
  }
}

TEST(Softmax, WorksAlongAnyDimensionAndLayout) {
  const Tensor x = normal({3, 4, 5}, 1, kFloat64);
  for (int dim = -3; dim < 3; ++dim) {
    const Tensor y = softmax(x, dim);
    EXPECT_EQ(y.shape(), x.shape());
    EXPECT_LT(amax(abs(sum(y, {dim}) - 1)).item<double>(), 1e-15);
    EXPECT_LT(amax(abs(log(y) - log_softmax(x, dim))).item<double>(), 1e-13);
    EXPECT_LT(amax(abs(y - exp(x) / sum(exp(x), {dim}, true))).item<double>(), 1e-15);
  }
  EXPECT_TRUE(bit_equal(softmax(x.permute({2, 1, 0})), softmax(x, 0).permute({2, 1, 0}).contiguous()));
  EXPECT_EQ(softmax(Tensor::full({}, 3.0)).item<float>(), 1.0F);
  EXPECT_EQ(softmax(Tensor::empty({0, 4})).shape(), (Shape{0, 4}));
  EXPECT_EQ(log_softmax(Tensor::empty({4, 0})).shape(), (Shape{4, 0}));
}

TEST(Softmax, SurvivesLargeAndInfiniteInputs) {
  const float inf = std::numeric_limits<float>::infinity();
  const auto y = softmax(Tensor::of({1e30F, 1e30F, -1e30F, -inf})).to_vector<float>();
  EXPECT_EQ(y, (std::vector<float>{0.5F, 0.5F, 0.0F, 0.0F}));
  EXPECT_EQ(log_softmax(Tensor::of({0.0F, -200.0F})).to_vector<float>()[1], -200.0F);
  EXPECT_TRUE(std::isnan(softmax(Tensor::of({0.0F, std::nanf("")})).to_vector<float>()[0]));
}

TEST(Softmax, IsTheSameForAnyNumberOfThreads) {
  const Tensor x = normal({1000, 77}, 3);
  testing::expect_same_for_any_threads([&] { return softmax(x); });
  testing::expect_same_for_any_threads([&] { return log_softmax(x, 0); });
}

TEST(Softmax, GradientsInF32MatchTheDefinition) {
  for (const std::int64_t columns : {1, 7, 64, 65, 1000, 2100}) {
    const Tensor x = normal({3, columns}, 11) * 3, d_y = normal({3, columns}, 12);
    const Tensor leaf_x = x.detach().requires_grad_();
    const Tensor by_softmax = grad({softmax(leaf_x)}, {leaf_x}, {d_y})[0];
    const Tensor by_log = grad({log_softmax(leaf_x)}, {leaf_x}, {d_y})[0];
    for (std::int64_t r = 0; r < 3; ++r) {
      const std::vector<double> y = naive_softmax(x.select(0, r).to_vector<double>());
      const std::vector<double> d = d_y.select(0, r).to_vector<double>();
      double dot = 0, total = 0;
      for (std::size_t i = 0; i < y.size(); ++i) dot += y[i] * d[i], total += d[i];
      for (std::size_t i = 0; i < y.size(); ++i) {
        const auto at = r * columns + static_cast<std::int64_t>(i);
        EXPECT_NEAR(by_softmax.data<float>()[at], y[i] * (d[i] - dot), 5e-6) << columns;
        EXPECT_NEAR(by_log.data<float>()[at], d[i] - y[i] * total, 2e-5) << columns;
      }
    }
  }
}

/// More than the caches hold, which is written past them; rows begin at all remainders of a vector.
TEST(Softmax, LargeMatricesHaveTheBitsOfTheirRows) {
  const std::int64_t rows = 8401, columns = 1003;
  const Tensor x = normal({rows, columns}, 5), d_y = normal({rows, columns}, 6);
  for (const auto op : {softmax, log_softmax}) {
    const auto both = [&](const Tensor& input, const Tensor& gradient) {
      const Tensor leaf_x = input.contiguous().detach().requires_grad_();
      const Tensor y = op(leaf_x, -1);
      return std::pair(y.detach(), grad({y}, {leaf_x}, {gradient.contiguous()})[0]);
    };
    const auto [y, d_x] = both(x, d_y);
    for (const std::int64_t first : {0, 1, 5, 4000, 8394}) {
      const auto [part, d_part] = both(x.narrow(0, first, 7), d_y.narrow(0, first, 7));
      EXPECT_TRUE(bit_equal(y.narrow(0, first, 7).contiguous(), part)) << first;
      EXPECT_TRUE(bit_equal(d_x.narrow(0, first, 7).contiguous(), d_part)) << first;
    }
  }
}

TEST(Softmax, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 5}, 4);
  testing::check_gradients([](auto& v) { return softmax(v[0]); }, {x});
  testing::check_gradients([](auto& v) { return softmax(v[0], 0); }, {x});
  testing::check_gradients([](auto& v) { return log_softmax(v[0]) * v[0]; }, {x});
  testing::check_gradients([](auto& v) { return log_softmax(v[0], 0); }, {x});
}

TEST(Softmax, ErrorsNameShapes) {
  EXPECT_EQ(error_of([] {
              return softmax(Tensor::ones({2, 3}, {.dtype = kInt64}));
            }),
            "[softmax] expects float32 or float64; got int64 (2, 3); cast with to(kFloat32)");
  EXPECT_NE(error_of([] { return log_softmax(Tensor::ones({2, 3}), 2); }).find("[log_softmax]"), std::string::npos);
}

}  // namespace
}  // namespace coppice
