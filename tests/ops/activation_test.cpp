#include <cmath>
#include <limits>
#include <utility>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/reduce.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

TEST(Relu, KeepsWhatIsPositive) {
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
    for (const std::int64_t size : {0, 1, 31, 70001}) {
      const Tensor x = testing::small_integers({size}, 3, dtype);
      EXPECT_TRUE(bit_equal(relu(x), where(x > 0, x, 0))) << dtype << ' ' << size;
    }
  }
  const Tensor x = testing::normal({5, 6}, 1);
  EXPECT_TRUE(bit_equal(relu(x.t()), relu(x).t().contiguous()));
  EXPECT_TRUE(std::isnan(relu(Tensor::full({}, std::numeric_limits<double>::quiet_NaN())).item<float>()));
}

TEST(Relu, GradientIsZeroAtZero) {
  const Tensor x = Tensor::of({-1.0, -0.0, 0.0, 2.0}, {}, {.requires_grad = true});
  backward({relu(x)}, {Tensor::full({4}, 5.0, {.dtype = kFloat64})});
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0, 0, 5}));
}

TEST(Relu, GradientsOfFirstAndSecondOrder) {
  const Tensor x = testing::leaf({4, 5}, 2);
  testing::check_gradients([](auto& v) { return relu(v[0]) * v[0]; }, {x});
  testing::check_gradients([](auto& v) { return relu(v[0] * v[0] * v[0]); }, {x});
}

struct SmoothCase {
  const char* name;
  Tensor (*run)(const Tensor&);
  double (*expected)(double);
};

Tensor tanh_gelu(const Tensor& x) { return gelu(x, {.approximate = GeluApproximate::Tanh}); }

std::vector<SmoothCase> smooth_cases() {
  return {{"silu", silu, [](double x) { return x / (1.0 + std::exp(-x)); }},
          {"gelu", [](const Tensor& x) { return gelu(x); },
           [](double x) { return 0.5 * x * std::erfc(-x / std::sqrt(2.0)); }},
          {"gelu_tanh", tanh_gelu, [](double x) {
             return 0.5 * x * (1.0 + std::tanh(std::sqrt(2.0 / std::acos(-1.0)) * (x + 0.044715 * x * x * x)));
           }}};
}

TEST(SmoothActivations, MatchTheDefinition) {
  std::vector<double> values{0.0, -0.0, 1e-20, -1e-20};
  for (double x = -12.0; x < 12.0; x += 0.0173) values.push_back(x);
  for (const SmoothCase& c : smooth_cases()) {
    for (const auto& [dtype, tolerance] : {std::pair{kFloat32, 4e-7}, std::pair{kFloat64, 1e-15}}) {
      const Tensor x = Tensor::of(values).to(dtype);
      const std::vector<double> inputs = x.to_vector<double>(), got = c.run(x).to_vector<double>();
      for (std::size_t i = 0; i < got.size(); ++i) {
        EXPECT_NEAR(got[i], c.expected(inputs[i]), tolerance * std::max(1.0, std::abs(inputs[i])))
            << c.name << ' ' << dtype << ' ' << inputs[i];
      }
    }
  }
}

TEST(SmoothActivations, HaveTheirLimits) {
  for (const SmoothCase& c : smooth_cases()) {
    const Tensor y = c.run(Tensor::of(
        {-200.0F, -90.0F, 200.0F, std::numeric_limits<float>::infinity(), std::numeric_limits<float>::quiet_NaN()}));
    const float* const value = y.data<float>();
    EXPECT_EQ(value[0], 0.0F) << c.name;
    EXPECT_NEAR(value[1], 0.0F, 1e-30F) << c.name;
    EXPECT_EQ(value[2], 200.0F) << c.name;
    EXPECT_EQ(value[3], std::numeric_limits<float>::infinity()) << c.name;
    EXPECT_TRUE(std::isnan(value[4])) << c.name;
    EXPECT_THROW(c.run(Tensor::ones({2}, {.dtype = kInt64})), Error) << c.name;
    EXPECT_EQ(c.run(Tensor::empty({0, 3})).shape(), (Shape{0, 3})) << c.name;
  }
}

TEST(SmoothActivations, GradientsOfFirstAndSecondOrder) {
  for (const SmoothCase& c : smooth_cases()) {
    SCOPED_TRACE(c.name);
    testing::check_gradients([&](auto& v) { return c.run(v[0]); }, {testing::leaf({4, 5}, 2)});
    testing::check_gradients([&](auto& v) { return c.run(v[0] * v[0]) * v[1]; },
                             {testing::leaf({4, 5}, 3), testing::leaf({4, 5}, 4)});
  }
}

TEST(SmoothActivations, GradientsInSinglePrecision) {
  for (const SmoothCase& c : smooth_cases()) {
    const Tensor x = testing::normal({1000}, 5) * 3, exact = x.to(kFloat64).detach().requires_grad_();
    const Tensor input = x.detach().requires_grad_();
    backward({c.run(input)}, {Tensor::ones({1000})});
    backward({c.run(exact)}, {Tensor::ones({1000}, {.dtype = kFloat64})});
    EXPECT_LT(amax(abs(input.grad().to(kFloat64) - exact.grad())).item<double>(), 2e-6) << c.name;
  }
}

TEST(SmoothActivations, KeepBlockedImagesBlocked) {
  const Tensor images = testing::normal({3, 2, 4, 5}, 6);
  for (const SmoothCase& c : smooth_cases()) {
    const Tensor a = images.clone().requires_grad_(), b = images.clone().requires_grad_();
    const Tensor expected = c.run(a), result = c.run(b.to(MemoryFormat::Blocked));
    EXPECT_EQ(result.memory_format(), MemoryFormat::Blocked) << c.name;
    EXPECT_TRUE(bit_equal(result.detach().contiguous(), expected.detach())) << c.name;
    const Tensor d_y = testing::normal(images.shape(), 7);
    backward({expected}, {d_y});
    backward({result}, {d_y});
    EXPECT_TRUE(bit_equal(b.grad(), a.grad())) << c.name;
  }
}

TEST(SmoothActivations, AreBitwiseEqualOverThreads) {
  const Tensor x = testing::normal({70001}, 8);
  for (const SmoothCase& c : smooth_cases()) {
    Tensor first;
    for (const int threads : {1, 2, 3}) {
      const ThreadLimit limit(threads);
      const Tensor y = c.run(x);
      if (threads == 1) first = y;
      EXPECT_TRUE(bit_equal(y, first)) << c.name << ' ' << threads;
    }
  }
}

}  // namespace
}  // namespace coppice
