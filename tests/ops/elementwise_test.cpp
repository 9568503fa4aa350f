#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/elementwise.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::leaf;
using testing::normal;
using testing::small_integers;
constexpr double kInf = std::numeric_limits<double>::infinity();
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct BinaryCase {
  const char* name;
  Tensor (*op)(const Tensor&, const Tensor&);
  double (*reference)(double, double);
};

const std::vector<BinaryCase>& binary_cases() {
  static const std::vector<BinaryCase> cases{
      {"add", add, [](double a, double b) { return a + b; }},
      {"sub", sub, [](double a, double b) { return a - b; }},
      {"mul", mul, [](double a, double b) { return a * b; }},
      {"maximum", maximum, [](double a, double b) { return std::max(a, b); }},
      {"minimum", minimum, [](double a, double b) { return std::min(a, b); }},
      {"eq", eq, [](double a, double b) { return a == b ? 1.0 : 0.0; }},
      {"ne", ne, [](double a, double b) { return a != b ? 1.0 : 0.0; }},
      {"lt", lt, [](double a, double b) { return a < b ? 1.0 : 0.0; }},
      {"le", le, [](double a, double b) { return a <= b ? 1.0 : 0.0; }},
      {"gt", gt, [](double a, double b) { return a > b ? 1.0 : 0.0; }},
      {"ge", ge, [](double a, double b) { return a >= b ? 1.0 : 0.0; }},
  };
  return cases;
}

/// Operands of one broadcast shape: contiguous, transposed, sliced, repeated, odd sizes, scalars, empty, and so large
/// that the work is split.
std::vector<std::pair<Tensor, Tensor>> operand_pairs(DType dtype) {
  const auto make = [&](const Shape& shape, std::uint64_t seed) { return small_integers(shape, seed, dtype); };
  return {
      {make({7}, 1), make({7}, 2)},
      {make({3, 5, 7}, 3), make({3, 5, 7}, 4)},
      {make({13, 9}, 5), make({9, 13}, 6).t()},
      {make({13, 9}, 7), make({9}, 8)},
      {make({13, 1}, 9), make({1, 9}, 10)},
      {make({4, 1, 3}, 11), make({5, 1}, 12)},
      {make({6, 20}, 13).slice(1, 1, 20, 3), make({7}, 14)},
      {make({1}, 15).expand({1000, 3}), make({3, 1000}, 16).t()},
      {make({}, 17), make({2, 2}, 18)},
      {make({}, 19), make({}, 20)},
      {make({0, 3}, 21), make({3}, 22)},
      {make({70001}, 23), make({70001}, 24)},
      {make({301, 701}, 25), make({301, 1}, 26)},
  };
}

TEST(Elementwise, BinaryOpsMatchTheDefinitionForEveryTypeAndLayout) {
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
    for (const auto& [a, b] : operand_pairs(dtype)) {
      for (const BinaryCase& c : binary_cases()) {
        const Tensor result = c.op(a, b);
        ASSERT_EQ(result.shape(), broadcast_shapes(a.shape(), b.shape(), "test"));
        int wrong = 0;
        testing::for_each_index(result.shape(), [&](const std::vector<std::int64_t>& i) {
          if (element_at(result, i) != c.reference(element_at(a, i), element_at(b, i))) ++wrong;
        });
        EXPECT_EQ(wrong, 0) << c.name << ' ' << dtype << ' ' << a.shape() << ' ' << b.shape();
      }
    }
  }
}

TEST(Elementwise, NumbersActLikeRepeatedTensors) {
  const Tensor x = normal({5, 7}, 1);
  const Tensor three = Tensor::full({5, 7}, 3.0);
  EXPECT_TRUE(bit_equal(x + 3, x + three));
  EXPECT_TRUE(bit_equal(3 - x, three - x));
  EXPECT_TRUE(bit_equal(x * 3.0, x * three));
  EXPECT_TRUE(bit_equal(3.0 / x, three / x));
  EXPECT_TRUE(bit_equal(x / 3, x / three));
  EXPECT_TRUE(bit_equal(x > 0.25, x > Tensor::full({}, 0.25)));
  EXPECT_TRUE(bit_equal(where(x > 0, x, -1), where(x > 0, x, Tensor::full({}, -1.0))));
  EXPECT_TRUE(bit_equal(where(x > 0, 2, x), where(x > 0, Tensor::full({}, 2.0), x)));
}

TEST(Elementwise, TypePromotionFollowsTheTable) {
  const Tensor f32 = Tensor::ones({2});
  const Tensor f64 = Tensor::ones({2}, {.dtype = kFloat64});
  const Tensor i32 = Tensor::ones({2}, {.dtype = kInt32});
  const Tensor i64 = Tensor::ones({2}, {.dtype = kInt64});
  const Tensor u8 = Tensor::ones({2}, {.dtype = kUInt8});
  const Tensor truth = Tensor::ones({2}, {.dtype = kBool});
  EXPECT_EQ((f32 + f64).dtype(), kFloat64);
  EXPECT_EQ((f32 + i64).dtype(), kFloat32);
  EXPECT_EQ((i32 + i64).dtype(), kInt64);
  EXPECT_EQ((u8 + i32).dtype(), kInt32);
  EXPECT_EQ((truth + u8).dtype(), kUInt8);
  EXPECT_EQ((f32 * 1e300).dtype(), kFloat32);
  EXPECT_EQ((i32 + 1).dtype(), kInt32);
  EXPECT_EQ((i32 + 1.0).dtype(), kFloat32);
  EXPECT_EQ((truth + 1).dtype(), kInt64);
  EXPECT_EQ((truth * 0.5).dtype(), kFloat32);
  EXPECT_EQ((i64 / i64).dtype(), kFloat32);
  EXPECT_EQ((i64 / 2).dtype(), kFloat32);
  EXPECT_EQ(exp(i64).dtype(), kFloat32);
  EXPECT_EQ((i64 < f32).dtype(), kBool);
  EXPECT_EQ(where(truth, i32, 0.5).dtype(), kFloat32);
  EXPECT_EQ((truth + truth).to_vector<bool>(), (std::vector<bool>{true, true}));
  EXPECT_EQ((truth + truth).dtype(), kBool);
}

TEST(Elementwise, IntegersAreExactAndWrapAround) {
  const std::int64_t big = (std::int64_t{1} << 53) + 1;
  EXPECT_EQ((Tensor::of({big}) + 0).item<std::int64_t>(), big);
  EXPECT_EQ((Tensor::of({std::int64_t{1}}) * big).item<std::int64_t>(), big);
  EXPECT_EQ((Tensor::of({std::numeric_limits<std::int32_t>::max()}) + 1).item<std::int32_t>(),
            std::numeric_limits<std::int32_t>::min());
  EXPECT_EQ(neg(Tensor::of({std::uint8_t{1}})).item<int>(), 255);
  EXPECT_EQ(abs(Tensor::of({-5, 5, 0})).to_vector<int>(), (std::vector<int>{5, 5, 0}));
}

TEST(Elementwise, ExpIsWithinOneUlpForEveryMagnitude) {
  std::vector<float> values;
  for (float x = -104.5F; x < 89.5F; x += 0.0137F) values.push_back(x);
  const Tensor result = exp(Tensor::of(values));
  for (std::size_t i = 0; i < values.size(); ++i) {
    const double expected = std::exp(static_cast<double>(values[i]));
    const float nearest = static_cast<float>(expected);
    const float got = result.data<float>()[i];
    if (std::isinf(nearest)) {
      EXPECT_TRUE(std::isinf(got)) << values[i];
      continue;
    }
    const double ulp = static_cast<double>(std::nextafter(nearest, std::numeric_limits<float>::infinity())) -
                       static_cast<double>(nearest);
    EXPECT_LE(std::abs(static_cast<double>(got) - expected), 1.2 * ulp) << values[i];
  }
}

TEST(Elementwise, ExpOfManyHasTheBitsOfExpOfOne) {
  std::vector<float> values{static_cast<float>(-kInf), -200.0F, -105.0F, -0.0F, 0.0F, 88.9F, 89.5F,
                            static_cast<float>(kInf),  1e-30F};
  for (float x = -104.0F; values.size() < 333; x += 0.61F) values.push_back(x);
  const Tensor many = exp(Tensor::of(values));
  for (std::size_t i = 0; i < values.size(); ++i) {
    EXPECT_EQ(many.data<float>()[i], exp(Tensor::of({values[i]})).item<float>()) << values[i];
  }
  EXPECT_TRUE(std::isnan(exp(Tensor::full({100}, kNan)).data<float>()[0]));
  // Alone among ordinary numbers, at every place of a group of vectors.
  for (const double odd : {kNan, kInf, -kInf, 200.0, -200.0, 87.5, -87.5}) {
    for (std::int64_t at = 0; at < 70; ++at) {
      std::vector<float> row(70, 0.25F);
      row[static_cast<std::size_t>(at)] = static_cast<float>(odd);
      const Tensor result = exp(Tensor::of(row));
      EXPECT_TRUE(bit_equal(result.narrow(0, at, 1), exp(Tensor::full({1}, odd)))) << odd << ' ' << at;
      EXPECT_EQ(result.data<float>()[(at + 1) % 70], std::exp(0.25F)) << odd << ' ' << at;
    }
  }
}

TEST(Elementwise, SpecialValues) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor x = Tensor::of({-kInf, -1.0, -0.0, 0.0, 1.0, kInf, kNan}).to(dtype);
    const auto values = [](const Tensor& t) { return t.to_vector<double>(); };
    const std::vector<double> e = values(exp(x));
    EXPECT_EQ(e[0], 0.0);
    EXPECT_EQ(e[2], 1.0);
    EXPECT_EQ(e[5], kInf);
    EXPECT_TRUE(std::isnan(e[6]));
    EXPECT_TRUE(std::isnan(values(maximum(x, Tensor::zeros({7}, {.dtype = dtype})))[6]));
    EXPECT_TRUE(std::isnan(values(minimum(Tensor::zeros({7}, {.dtype = dtype}), x))[6]));
    EXPECT_TRUE(std::isnan(values(clamp(x, -0.5, 0.5))[6]));
    EXPECT_TRUE(std::isnan(values(sign(x))[6]));
    EXPECT_EQ(values(clamp(x, -0.5, 0.5))[5], 0.5);
    EXPECT_EQ(values(clamp(x, {}, 0.5))[0], -kInf);
    EXPECT_TRUE(std::isnan(values(log(x))[1]));
    EXPECT_EQ(values(log(x))[3], -kInf);
    EXPECT_EQ(values(1.0 / x)[5], 0.0);
    EXPECT_TRUE(std::signbit(values(-x)[3]));
    EXPECT_EQ((x < 0).to_vector<bool>(), (std::vector<bool>{true, true, false, false, false, false, false}));
  }
}

TEST(Elementwise, UnaryOpsMatchTheLibraryWhateverTheLayout) {
  const Tensor x = abs(normal({9, 11}, 3, kFloat64)) + 0.1;
  for (const Tensor& input : {x, x.t(), x.slice(1, 0, 11, 2), x.select(0, 2).expand({3, 11})}) {
    const Tensor e = exp(input), l = log(input), s = sqrt(input), p = pow(input, 1.5), q = pow(input, 2.0);
    testing::for_each_index(input.shape(), [&](const std::vector<std::int64_t>& i) {
      const double v = element_at(input, i);
      EXPECT_EQ(element_at(e, i), std::exp(v));
      EXPECT_EQ(element_at(l, i), std::log(v));
      EXPECT_EQ(element_at(s, i), std::sqrt(v));
      EXPECT_EQ(element_at(p, i), std::pow(v, 1.5));
      EXPECT_EQ(element_at(q, i), v * v);
    });
  }
}

TEST(Elementwise, AnElementsBitsDoNotDependOnItsPlace) {
  const Tensor x = normal({70001}, 5);
  const Tensor all = exp(x);
  for (const std::int64_t at : {0, 1, 31, 33000, 70000}) {
    EXPECT_TRUE(bit_equal(exp(x.narrow(0, at, 1)), all.narrow(0, at, 1)));
  }
  EXPECT_TRUE(bit_equal(exp(x.slice(0, 0, 70001, 2)), all.slice(0, 0, 70001, 2).contiguous()));
  testing::expect_same_for_any_threads([&] { return exp(x) / (x + 2); });
}

TEST(Elementwise, GradientsOfFirstAndSecondOrder) {
  const Tensor a = leaf({3, 4}, 1);
  const Tensor b = leaf({4}, 2);
  const Tensor positive = (abs(normal({2, 3}, 3, kFloat64)) + 0.5).detach().requires_grad_();
  check_gradients([](auto& v) { return (v[0] + v[1]) * v[0]; }, {a, b});
  check_gradients([](auto& v) { return (v[0] - v[1]) * v[1]; }, {a, b});
  check_gradients([](auto& v) { return v[0] / (v[1] * v[1] + 1); }, {a, b});
  check_gradients([](auto& v) { return 2.0 / v[0] + v[0] / 3 - (1 - v[0]) * 2; }, {positive});
  check_gradients([](auto& v) { return exp(v[0]) + abs(v[0]) * v[0] - neg(v[0]); }, {a});
  check_gradients([](auto& v) { return log(v[0]) * sqrt(v[0]); }, {positive});
  check_gradients([](auto& v) { return pow(v[0], 2.0) + pow(v[0], -1.5) + pow(v[0], 0.0) + pow(v[0], 1.0); },
                  {positive});
  check_gradients([](auto& v) { return maximum(v[0] * v[0], v[1]) + minimum(v[0], v[1] * v[1]); }, {a, b});
  check_gradients([](auto& v) { return pow(clamp(v[0], -0.7, 0.7), 3.0); }, {a});
  check_gradients([](auto& v) { return where(v[0].detach() > 0, v[0] * v[1], v[1] * v[1]); }, {a, b});
  check_gradients([](auto& v) { return where(v[0].detach() > 0, v[0], 2) * where(v[0].detach() > 0, 3, v[0]); }, {a});
  check_gradients([](auto& v) { return v[0] * v[0]; }, {a});
}

TEST(Elementwise, GradientsKeepShapeAndTypeOfTheirOperand) {
  const Tensor a = Tensor::ones({2, 3}, {.requires_grad = true});
  const Tensor b = Tensor::ones({1, 3}, {.dtype = kFloat64, .requires_grad = true});
  backward({a * b}, {Tensor::ones({2, 3}, {.dtype = kFloat64})});
  EXPECT_EQ(a.grad().dtype(), kFloat32);
  EXPECT_EQ(b.grad().dtype(), kFloat64);
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{2, 2, 2}));
}

TEST(Elementwise, TiesShareTheGradient) {
  const Tensor a = Tensor::of({1.0, 2.0, 3.0}, {}, {.requires_grad = true});
  const Tensor b = Tensor::of({2.0, 2.0, 2.0}, {}, {.requires_grad = true});
  backward({maximum(a, b)}, {Tensor::ones({3}, {.dtype = kFloat64})});
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{0, 0.5, 1}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{1, 0.5, 0}));
}

TEST(Elementwise, ErrorsNameOpAndShapes) {
  const Tensor a = Tensor::ones({2, 3});
  const std::string mismatch = error_of([&] { return a + Tensor::ones({4}); });
  EXPECT_NE(mismatch.find("[add]"), std::string::npos) << mismatch;
  EXPECT_NE(mismatch.find("(2, 3)"), std::string::npos) << mismatch;
  EXPECT_NE(mismatch.find("(4)"), std::string::npos) << mismatch;
  const Tensor truth = a > 0;
  EXPECT_EQ(error_of([&] { return truth - truth; }), "[sub] has no kernel for bool; cast with to()");
  EXPECT_EQ(error_of([&] { return a.to(kFloat16) * a.to(kFloat16); }),
            "[mul] has no kernel for float16; cast with to()");
  EXPECT_NE(error_of([&] { return where(a, a, a); }).find("[where] expects a bool condition; got float32 (2, 3)"),
            std::string::npos);
  EXPECT_NE(error_of([&] { return clamp(a, {}); }).find("[clamp] expects a lower or an upper bound"),
            std::string::npos);
  EXPECT_NE(error_of([&] { return a + Tensor(); }), "");
}

}  // namespace
}  // namespace coppice
