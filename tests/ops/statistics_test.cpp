#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/functional.h>

#include "tests/cases/reduce_cases.h"
#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using cases::reduce_cases;
using cases::ReduceCase;
using testing::check_gradients;
using testing::element_at;
using testing::leaf;
using testing::normal;
using testing::small_integers;

constexpr double kInf = std::numeric_limits<double>::infinity();
using Values = std::vector<double>;

bool is_reduced(const ReduceCase& c, int dim) {
  return std::any_of(c.dims.begin(), c.dims.end(),
                     [&](std::int64_t d) { return d == dim || d + c.shape.rank() == dim; });
}

/// The elements that each result is of, in row-major order.
std::vector<Values> groups(const ReduceCase& c, const Tensor& input) {
  std::int64_t kept = 1;
  for (int d = 0; d < c.shape.rank(); ++d) kept *= is_reduced(c, d) ? 1 : c.shape[d];
  std::vector<Values> result(static_cast<std::size_t>(kept));
  testing::for_each_index(c.shape, [&](const std::vector<std::int64_t>& i) {
    std::int64_t at = 0;
    for (int d = 0; d < c.shape.rank(); ++d) {
      if (!is_reduced(c, d)) at = at * c.shape[d] + i[static_cast<std::size_t>(d)];
    }
    result[static_cast<std::size_t>(at)].push_back(element_at(input, i));
  });
  return result;
}

double total(const Values& v, const std::function<double(double)>& of) {
  double result = 0.0;
  for (const double x : v) result += of(x);
  return result;
}

double variance(const Values& v, double correction) {
  const double mean = total(v, [](double x) { return x; }) / static_cast<double>(v.size());
  return total(v, [&](double x) { return (x - mean) * (x - mean); }) /
         std::max(0.0, static_cast<double>(v.size()) - correction);
}

double p_norm(const Values& v, double p) {
  return std::pow(total(v, [&](double x) { return std::pow(std::abs(x), p); }), 1.0 / p);
}

struct StatisticCase {
  const char* name;
  Tensor (*run)(const Tensor&, const Dims&, bool);
  double (*expected)(const Values&);
  bool smooth = true;
};

const std::vector<StatisticCase>& statistic_cases() {
  static const std::vector<StatisticCase> cases{
      {"var", [](const Tensor& x, const Dims& d, bool k) { return var(x, d, {.keepdim = k}); },
       [](const Values& v) { return variance(v, 1); }},
      {"var of all", [](const Tensor& x, const Dims& d, bool k) { return var(x, d, {.correction = 0, .keepdim = k}); },
       [](const Values& v) { return variance(v, 0); }},
      {"std", [](const Tensor& x, const Dims& d, bool k) { return coppice::std(x, d, {.keepdim = k}); },
       [](const Values& v) { return std::sqrt(variance(v, 1)); }},
      {"logsumexp", logsumexp,
       [](const Values& v) { return std::log(total(v, [](double x) { return std::exp(x); })); }},
      {"norm", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 2, d, k); },
       [](const Values& v) { return p_norm(v, 2); }},
      {"norm 1", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 1, d, k); },
       [](const Values& v) { return p_norm(v, 1); }},
      {"norm 3", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 3, d, k); },
       [](const Values& v) { return p_norm(v, 3); }},
      {"norm 1.5", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 1.5, d, k); },
       [](const Values& v) { return p_norm(v, 1.5); }},
      {"norm inf", [](const Tensor& x, const Dims& d, bool k) { return norm(x, kInf, d, k); },
       [](const Values& v) {
         return std::abs(
             *std::max_element(v.begin(), v.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
       }},
      {"norm -inf", [](const Tensor& x, const Dims& d, bool k) { return norm(x, -kInf, d, k); },
       [](const Values& v) {
         return std::abs(
             *std::min_element(v.begin(), v.end(), [](double a, double b) { return std::abs(a) < std::abs(b); }));
       }},
      {"norm 0", [](const Tensor& x, const Dims& d, bool k) { return norm(x, 0, d, k); },
       [](const Values& v) { return total(v, [](double x) { return x != 0 ? 1.0 : 0.0; }); }, false},
      {"prod", [](const Tensor& x, const Dims& d, bool k) { return prod(x, d, k); },
       [](const Values& v) {
         double result = 1.0;
         for (const double x : v) result *= x;
         return result;
       }},
  };
  return cases;
}

TEST(Statistics, MatchPlainLoops) {
  for (const ReduceCase& c : reduce_cases()) {
    for (const auto& [dtype, tolerance] : {std::pair{kFloat32, 1e-5}, std::pair{kFloat64, 1e-12}}) {
      const Tensor x = normal(c.shape, 7, dtype);
      const std::vector<Values> expected = groups(c, x);
      for (const StatisticCase& s : statistic_cases()) {
        const Values got = s.run(x, c.dims, false).to_vector<double>();
        ASSERT_EQ(got.size(), expected.size()) << s.name;
        EXPECT_EQ(s.run(x, c.dims, true).shape(), sum(x, c.dims, true).shape()) << s.name;
        for (std::size_t i = 0; i < got.size(); ++i) {
          const double value = s.expected(expected[i]);
          if (std::isnan(value) && std::isnan(got[i])) continue;
          EXPECT_NEAR(got[i], value, tolerance * std::max(1.0, std::abs(value)))
              << s.name << ' ' << dtype << ' ' << c.shape << " along " << c.dims;
        }
      }
    }
  }
}

TEST(Statistics, GradientsOfFirstAndSecondOrder) {
  for (const StatisticCase& s : statistic_cases()) {
    if (!s.smooth) continue;
    SCOPED_TRACE(s.name);
    for (const Dims& dims : {Dims{}, Dims{1}, Dims{0, 2}}) {
      check_gradients([&](auto& v) { return s.run(v[0], dims, false); }, {leaf({3, 4, 2}, 1)});
    }
  }
  check_gradients([](auto& v) { return var_mean(v[0], {1}).var * var_mean(v[0], {1}).mean; }, {leaf({3, 4}, 2)});
}

TEST(Statistics, AreTheSameForAnyNumberOfThreads) {
  for (const ReduceCase& c : cases::large_reduce_cases()) {
    const Tensor x = normal(c.shape, 9);
    for (const StatisticCase& s : statistic_cases()) {
      testing::expect_same_for_any_threads([&] { return s.run(x, c.dims, false); });
    }
    testing::expect_same_for_any_threads([&] { return cumsum(x, static_cast<int>(c.dims[0])); });
  }
}

TEST(Statistics, SpecialValues) {
  const Tensor same = Tensor::full({4}, 3.0, {.dtype = kFloat64, .requires_grad = true});
  backward({coppice::std(same)});
  EXPECT_EQ(same.grad().to_vector<double>(), (Values{0, 0, 0, 0}));
  EXPECT_TRUE(std::isnan(var(Tensor::ones({1})).item<double>()));
  EXPECT_TRUE(std::isnan(var(Tensor::empty({0})).item<double>()));
  for (const double p : {0.5, 1.0, 2.0, 3.0}) {
    const Tensor zero = Tensor::zeros({3}, {.dtype = kFloat64, .requires_grad = true});
    backward({norm(zero, p)});
    EXPECT_EQ(zero.grad().to_vector<double>(), (Values{0, 0, 0})) << p;
  }
  EXPECT_EQ(logsumexp(Tensor::of({-kInf, -kInf}), {}).item<double>(), -kInf);
  EXPECT_EQ(logsumexp(Tensor::of({kInf, 1.0}), {}).item<double>(), kInf);
  EXPECT_EQ(logsumexp(Tensor::of({1000.0, -kInf}), {}).item<double>(), 1000.0);
  EXPECT_EQ(logsumexp(Tensor::empty({0, 2}), {0}).to_vector<double>(), (Values{-kInf, -kInf}));
  EXPECT_EQ(logsumexp(Tensor::of({1, 2}), {}).dtype(), kFloat32);
}

TEST(Prod, OfZerosAndIntegersIsExact) {
  EXPECT_EQ(prod(Tensor::of({2, 3, 7})).item<std::int64_t>(), 42);
  EXPECT_EQ(prod(Tensor::of({2, 3, 7}) > 2).dtype(), kInt64);
  EXPECT_EQ(prod(Tensor::empty({0, 2}), {0}).to_vector<double>(), (Values{1, 1}));
  for (const Values& values : {Values{2, 0, 5}, Values{0, 0, 5}, Values{2, 3, 5}}) {
    const Tensor x = Tensor::of(values).requires_grad_();
    backward({prod(x)});
    const Values expected{values[1] * values[2], values[0] * values[2], values[0] * values[1]};
    EXPECT_EQ(x.grad().to_vector<double>(), expected);
  }
}

TEST(AnyAll, FollowTheDefinition) {
  const Tensor x = Tensor::of({0, 0, 1, 0, 5, 7}, Shape{3, 2});
  EXPECT_EQ(any(x, {1}).to_vector<bool>(), (std::vector<bool>{false, true, true}));
  EXPECT_EQ(all(x, {1}).to_vector<bool>(), (std::vector<bool>{false, false, true}));
  EXPECT_TRUE(any(x).item<bool>());
  EXPECT_TRUE(all(x > -1, {}, true).item<bool>());
  EXPECT_FALSE(any(Tensor::empty({0})).item<bool>());
  EXPECT_TRUE(all(Tensor::empty({0})).item<bool>());
  EXPECT_TRUE(all(Tensor::full({2}, std::numeric_limits<double>::quiet_NaN())).item<bool>());
}

TEST(MaxMin, GiveTheFirstPlaceAndNanWins) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const Tensor x = Tensor::of({1.0, 3.0, 3.0, 0.0, nan, 0.0, nan, -1.0}, Shape{2, 4});
  const Ordered largest = max(x, 1), smallest = min(x, -1, true);
  EXPECT_EQ(largest.indices.to_vector<int>(), (std::vector<int>{1, 0}));
  EXPECT_EQ(smallest.indices.to_vector<int>(), (std::vector<int>{3, 0}));
  EXPECT_EQ(smallest.values.shape(), (Shape{2, 1}));
  EXPECT_TRUE(std::isnan(largest.values.to_vector<double>()[1]));
  EXPECT_EQ(largest.values.to_vector<double>()[0], 3.0);
  EXPECT_EQ(argmin(Tensor::of({2, 0, 5, 0})).item<int>(), 1);
  EXPECT_EQ(argmin(Tensor::of({2, 0, 5, 0}, Shape{2, 2}), 0).to_vector<int>(), (std::vector<int>{0, 0}));
  EXPECT_EQ(max(Tensor::full({}, 4.0), 0).values.item<double>(), 4.0);
  EXPECT_EQ(max(Tensor::of({1, 9})).item<int>(), 9);
  EXPECT_EQ(min(Tensor::of({1, 9}), Tensor::of({0, 20})).to_vector<int>(), (std::vector<int>{0, 9}));
  EXPECT_NE(error_of([&] {
              return max(Tensor::empty({2, 0}), 1).values;
            }).find("[max] has no value"),
            std::string::npos);
  const Tensor tied = Tensor::of({2.0, 2.0, 1.0}).requires_grad_();
  backward({max(tied, 0).values});
  EXPECT_EQ(tied.grad().to_vector<double>(), (Values{1, 0, 0}));
  check_gradients([](auto& v) { return pow(max(v[0], 1).values, 2.0) + min(v[0], 1).values; }, {leaf({3, 4}, 1)});
}

TEST(Scan, MatchesPlainLoopsExactlyOnSmallIntegers) {
  for (const Shape& shape :
       {Shape{7}, Shape{1}, Shape{0}, Shape{3, 4, 5}, Shape{2, 300, 67}, Shape{5000}, Shape{2, 0, 3}}) {
    for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
      const Tensor x = small_integers(shape, 3, dtype);
      for (int dim = 0; dim < shape.rank(); ++dim) {
        const Tensor sums = cumsum(x, dim);
        EXPECT_EQ(sums.dtype(), is_floating(dtype) ? dtype : kInt64);
        for (std::int64_t k = 0; k < shape[dim]; k += 1 + shape[dim] / 9) {
          EXPECT_TRUE(bit_equal(sums.select(dim, k), sum(x.narrow(dim, 0, k + 1), {dim})))
              << shape << ' ' << dtype << ' ' << dim << ' ' << k;
        }
      }
    }
  }
  EXPECT_EQ(cumprod(Tensor::of({2, 3, 0, 5}), 0).to_vector<int>(), (std::vector<int>{2, 6, 0, 0}));
  EXPECT_EQ(cumprod(Tensor::of({1.0, 2.0, 3.0, 4.0}, Shape{2, 2}), 0).to_vector<double>(), (Values{1, 2, 3, 8}));
  EXPECT_EQ(cumsum(Tensor::of({1, 2, 3, 4}, Shape{2, 2}).t(), -1).to_vector<int>(), (std::vector<int>{1, 4, 2, 6}));
  EXPECT_EQ(cumsum(Tensor::full({}, 3.0), 0).item<double>(), 3.0);
  EXPECT_NE(error_of([&] { return cumsum(Tensor::ones({2, 3}), 2); }).find("[cumsum]"), std::string::npos);
}

TEST(Scan, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 4, 2}, 1);
  for (const int dim : {0, 1, 2}) {
    check_gradients([&](auto& v) { return pow(cumsum(v[0], dim), 2.0); }, {x});
    check_gradients([&](auto& v) { return cumprod(v[0], dim); }, {x});
  }
  const Tensor zeros = Tensor::of({2.0, 0.0, 3.0, 0.0, 4.0}).requires_grad_();
  check_gradients([](auto& v) { return cumprod(v[0], 0); }, {zeros});
}

}  // namespace
}  // namespace coppice
