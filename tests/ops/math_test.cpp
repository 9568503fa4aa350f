#include <bit>
#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/core/tensor_impl.h>

#include "tests/cases/math_cases.h"
#include "tests/cases/simd_targets.h"
#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using cases::math_cases;
using cases::MathCase;
using testing::check_gradients;
using testing::element_at;
using testing::normal;

constexpr float kInf = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

/// Every 40009th f32, both signs: all magnitudes, denormals included; then zeros, infinities, NaN, neighbours of 0, 1
/// and ½, multiples of π/2, and where exponentials overflow.
std::vector<float> numbers() {
  std::vector<float> values{0.0F, -0.0F, kInf, -kInf, kNan, 0x1p-149F, -0x1p-149F, 0x1.fffffep127F, -0x1.fffffep127F};
  for (std::uint64_t bits = 1; bits < 0x100000000; bits += 40009) {
    values.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  for (const float at : {1.0F, -1.0F, 0.5F, -0.5F, 1.5F, 2.5F, 3.0F, -3.0F, 6.0F, 20.0F, 88.7228394F, 89.415985F,
                         1.57079637F, 3.14159274F, 6.28318548F, 710.0F, 524287.9F, 524288.0F, 8388609.0F}) {
    for (const float to : {-kInf, at, kInf}) values.push_back(std::nextafter(at, to));
  }
  for (float x = -100.0F; x < 100.0F; x += 0.00973F) values.push_back(x);
  return values;
}

/// |got − expected| in units of the last place of an f32 at `expected`.
double error_in_ulps(float got, double expected) {
  const float nearest = static_cast<float>(expected);
  if (std::isnan(nearest)) return std::isnan(got) ? 0.0 : 1e30;
  if (std::isinf(nearest)) return got == nearest ? 0.0 : 1e30;
  if (nearest == 0.0F && got == 0.0F) return std::signbit(nearest) == std::signbit(got) ? 0.0 : 1e30;
  const double size = std::abs(static_cast<double>(nearest));
  const double ulp = std::max(0x1p-149, std::ldexp(1.0, std::ilogb(size) - 23));
  return std::abs(static_cast<double>(got) - expected) / ulp;
}

TEST(Math, SinglePrecisionIsWithinItsBoundOverTheWholeRange) {
  const std::vector<float> values = numbers();
  const Tensor x = Tensor::of(values);
  for (const MathCase& c : math_cases()) {
    const Tensor y = c.run(x);
    double worst = 0.0;
    std::size_t where = 0;
    for (std::size_t i = 0; i < values.size(); ++i) {
      const double error = error_in_ulps(y.data<float>()[i], c.expected(static_cast<double>(values[i])));
      if (error > worst) {
        worst = error;
        where = i;
      }
    }
    EXPECT_LE(worst, c.ulps) << c.name << " at " << values[where] << ": got " << y.data<float>()[where] << ", expected "
                             << c.expected(static_cast<double>(values[where]));
  }
}

TEST(Math, DoublePrecisionIsTheLibrarysWhateverTheLayout) {
  const Tensor base = abs(normal({9, 11}, 3, kFloat64));
  for (const MathCase& c : math_cases()) {
    const double low = c.smooth ? c.low : -9, high = c.smooth ? c.high : 9;
    const Tensor x = base / amax(base) * (high - low) + low;
    for (const Tensor& input : {x, x.t(), x.slice(1, 0, 11, 2), x.select(0, 2).expand({3, 11}), x.narrow(0, 0, 0)}) {
      const Tensor y = c.run(input);
      ASSERT_EQ(y.shape(), input.shape()) << c.name;
      testing::for_each_index(input.shape(), [&](const std::vector<std::int64_t>& i) {
        const double expected = c.expected(element_at(input, i));
        EXPECT_NEAR(element_at(y, i), expected, 1e-14 * std::max(1.0, std::abs(expected))) << c.name;
      });
    }
  }
}

TEST(Math, GradientsOfFirstAndSecondOrder) {
  const Tensor unit = abs(normal({3, 4}, 5, kFloat64));
  for (const MathCase& c : math_cases()) {
    SCOPED_TRACE(c.name);
    if (!c.smooth) {
      EXPECT_FALSE(c.run(testing::leaf({2}, 1)).requires_grad());
      continue;
    }
    const Tensor x = (unit / (amax(unit) + 0.1) * (c.high - c.low) + c.low).detach().requires_grad_();
    check_gradients([&](auto& v) { return c.run(v[0]); }, {x});
  }
}

TEST(Math, HasTheSameBitsOnEveryInstructionSetAndAnyNumberOfThreads) {
  const Tensor x = Tensor::of(numbers());
  for (const MathCase& c : math_cases()) {
    Tensor first;
    cases::for_each_simd_target([&](const char* target) {
      const Tensor y = c.run(x);
      if (!first.defined()) first = y;
      EXPECT_TRUE(bit_equal(isnan(y), isnan(first))) << c.name << ' ' << target;
      EXPECT_TRUE(bit_equal(where(isnan(y), 0, y), where(isnan(first), 0, first))) << c.name << ' ' << target;
    });
    const Tensor some = normal({70001}, 8);
    testing::expect_same_for_any_threads([&] { return where(isnan(some), 0, c.run(abs(some))); });
    EXPECT_TRUE(bit_equal(c.run(abs(some).slice(0, 5, 70001, 7)), c.run(abs(some)).slice(0, 5, 70001, 7).contiguous()))
        << c.name;
  }
}

TEST(Math, OfBlockedImagesKeepsTheirPaddingZero) {
  const Tensor images = abs(normal({image_block(kFloat32) + 1, 2, 4, 5}, 6)) * 0.2 + 0.1;
  for (const MathCase& c : math_cases()) {
    const Tensor y = c.run(images.to(MemoryFormat::Blocked));
    EXPECT_TRUE(bit_equal(y.contiguous(), c.run(images))) << c.name;
    if (y.memory_format() != MemoryFormat::Blocked) continue;
    const std::int64_t block = image_block(kFloat32), pixels = 2 * 4 * 5;
    for (std::int64_t i = block * pixels; i < detail::blocked_size(y); ++i) {
      if (i % block != 0) {
        ASSERT_EQ(detail::blocked_data<float>(y)[i], 0.0F) << c.name << ' ' << i;
      }
    }
  }
  EXPECT_EQ(relu6(images.to(MemoryFormat::Blocked)).memory_format(), MemoryFormat::Blocked);
}

TEST(Math, OfIntegersIsFloat) {
  const Tensor i64 = Tensor::of({1, 0, 2});
  for (const auto run : {sin, log2, expm1, rsqrt, sigmoid, tanh, atan}) EXPECT_EQ(run(i64).dtype(), kFloat32);
  EXPECT_EQ(atan2(i64, i64).dtype(), kFloat32);
  EXPECT_EQ(pow(i64, i64).dtype(), kFloat32);
  EXPECT_EQ(square(i64).dtype(), i64.dtype());
  EXPECT_TRUE(bit_equal(floor(i64), i64));
  EXPECT_EQ(sin(i64 > 0).dtype(), kFloat32);
}

struct PairCase {
  const char* name;
  Tensor (*run)(const Tensor&, const Tensor&);
  double (*expected)(double, double);
  double ulps;
};

double remainder_of(double a, double b) {
  const double rest = std::fmod(a, b);
  return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

const PairCase kPairs[] = {
    {"atan2", atan2, [](double a, double b) { return std::atan2(a, b); }, 0.51},
    {"pow", pow, [](double a, double b) { return std::pow(a, b); }, 0.51},
    {"fmod", fmod, [](double a, double b) { return std::fmod(a, b); }, 0},
    {"remainder", remainder, remainder_of, 0.5},
};

TEST(Math, OfTwoNumbersMatchesTheLibrary) {
  std::vector<float> few{0.0F, -0.0F, 1.0F,  -1.0F,  0.5F,        -0.5F,       2.0F,        -2.0F,     3.0F,   -3.0F,
                         7.0F, 1.5F,  -2.5F, 1e-40F, -1e-40F,     1e-30F,      3e38F,       -1.3e38F,  101.0F, -100.5F,
                         kInf, -kInf, kNan,  127.9F, 16777216.0F, 16777215.0F, 0.99999994F, 1.0000001F};
  for (std::uint64_t bits = 12345; bits < 0x100000000; bits += 23456789) {
    few.push_back(std::bit_cast<float>(static_cast<std::uint32_t>(bits)));
  }
  const Tensor a = Tensor::of(few), b = a.unsqueeze(1);
  for (const PairCase& c : kPairs) {
    const Tensor y = c.run(a, b);
    for (std::size_t i = 0; i < few.size(); ++i) {
      for (std::size_t j = 0; j < few.size(); ++j) {
        const double expected = c.expected(static_cast<double>(few[j]), static_cast<double>(few[i]));
        EXPECT_LE(error_in_ulps(y.data<float>()[i * few.size() + j], expected), c.ulps)
            << c.name << ' ' << few[j] << ' ' << few[i] << ": " << y.data<float>()[i * few.size() + j] << " for "
            << expected;
      }
    }
  }
}

TEST(Math, GradientsOfTwoNumbers) {
  const Tensor a = testing::leaf({3, 4}, 1), b = testing::leaf({4}, 2);
  const Tensor base = (abs(normal({3, 4}, 3, kFloat64)) + 0.5).detach().requires_grad_();
  check_gradients([](auto& v) { return atan2(v[0], v[1]); }, {a, b});
  check_gradients([](auto& v) { return pow(v[0], v[1]); }, {base, b});
  check_gradients([](auto& v) { return remainder(v[0], v[1]) * v[0] + fmod(v[0], v[1]) * v[1]; }, {a, base});
  check_gradients([](auto& v) { return remainder(v[0], 0.7) * fmod(v[0], 0.7); }, {a});
  check_gradients([](auto& v) { return lerp(v[0], v[1], 0.3) * lerp(v[0], v[1], 0.8); }, {a, b});
  check_gradients([](auto& v) { return lerp(v[0], v[1], v[2]); }, {a, b, testing::leaf({3, 1}, 4)});
  const Tensor zero = Tensor::of({0.0, 0.0, 2.0}, {}, {.requires_grad = true});
  const Tensor power = Tensor::of({0.0, 2.0, 3.0}, {}, {.requires_grad = true});
  backward({pow(zero, power)}, {Tensor::ones({3}, {.dtype = kFloat64})});
  EXPECT_EQ(zero.grad().to_vector<double>(), (std::vector<double>{0, 0, 12}));
  EXPECT_EQ(power.grad().to_vector<double>(), (std::vector<double>{0, 0, 8 * std::log(2.0)}));
}

TEST(Math, LerpMeetsBothEnds) {
  const Tensor a = normal({100}, 1) * 1e6, b = normal({100}, 2);
  EXPECT_TRUE(bit_equal(lerp(a, b, 0.0), a));
  EXPECT_TRUE(bit_equal(lerp(a, b, 1.0), b));
  EXPECT_TRUE(bit_equal(lerp(a, b, Tensor::full({}, 1.0)), b));
}

TEST(Math, RemaindersOfIntegersAreExact) {
  const Tensor a = Tensor::of({7, -7, 7, -7, 6, 0});
  const Tensor b = Tensor::of({3, 3, -3, -3, 3, 5});
  EXPECT_EQ(remainder(a, b).to_vector<int>(), (std::vector<int>{1, 2, -2, -1, 0, 0}));
  EXPECT_EQ(fmod(a, b).to_vector<int>(), (std::vector<int>{1, -1, 1, -1, 0, 0}));
  EXPECT_EQ(remainder(a, 4).to_vector<int>(), (std::vector<int>{3, 1, 3, 1, 2, 0}));
  const Tensor least = Tensor::of({std::numeric_limits<std::int64_t>::min()});
  EXPECT_EQ(remainder(least, -1).item<std::int64_t>(), 0);
  EXPECT_EQ(error_of([&] { return remainder(a, Tensor::of({0})); }),
            "[remainder] expects integers other than 0 to divide by; got a 0 in other (1), input (6); convert with "
            "to(kFloat32) for NaN");
  EXPECT_NE(error_of([&] { return fmod(a, 0); }).find("[fmod] expects an integer other than 0"), std::string::npos);
  EXPECT_TRUE(std::isnan(remainder(a, 0.0).to_vector<double>()[0]));
}

}  // namespace
}  // namespace coppice
