#include <coppice/ops/loss.h>

#include <gtest/gtest.h>

#include <functional>
#include <limits>

#include <coppice/ops/elementwise.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

using Loss = std::function<Tensor(const Tensor&, const Tensor&, Reduction)>;
using Formula = std::function<double(double, double)>;

Tensor probabilities(const Shape& shape, std::uint64_t seed, DType dtype = kFloat64) {
  Generator generator(seed);
  return Tensor::rand(shape, generator, {.dtype = dtype}) * 0.9 + 0.05;
}

/// Loss and formula agree element by element, summed and averaged.
void expect_formula(const Loss& loss, const Formula& formula, const Tensor& input, const Tensor& target) {
  const auto x = input.to_vector<double>(), t = target.to_vector<double>();
  const auto got = loss(input, target, Reduction::None).to_vector<double>();
  const double tolerance = input.dtype() == kFloat32 ? 1e-6 : 1e-14;
  double total = 0.0;
  for (std::size_t i = 0; i < x.size(); ++i) {
    const double expected = formula(x[i], t[i]);
    EXPECT_NEAR(got[i], expected, tolerance * (1.0 + std::abs(expected))) << x[i] << ' ' << t[i];
    total += expected;
  }
  const auto count = static_cast<double>(x.size());
  EXPECT_NEAR(loss(input, target, Reduction::Sum).item<double>(), total, tolerance * count * (1 + std::abs(total)));
  EXPECT_NEAR(loss(input, target, Reduction::Mean).item<double>(), total / count, tolerance * (count + total));
}

struct LossCase {
  const char* name;
  Loss loss;
  Formula formula;
};

std::vector<LossCase> losses_of_numbers() {
  std::vector<LossCase> cases;
  cases.push_back({"mse", [](auto& x, auto& t, Reduction r) { return mse_loss(x, t, {r}); },
                   [](double x, double t) { return (x - t) * (x - t); }});
  cases.push_back({"l1", [](auto& x, auto& t, Reduction r) { return l1_loss(x, t, {r}); },
                   [](double x, double t) { return std::abs(x - t); }});
  for (const double beta : {0.0, 0.3, 1.0, 2.5}) {
    cases.push_back(
        {"smooth_l1",
         [beta](auto& x, auto& t, Reduction r) { return smooth_l1_loss(x, t, {.reduction = r, .beta = beta}); },
         [beta](double x, double t) {
           const double d = std::abs(x - t);
           return d < beta ? 0.5 * d * d / beta : d - 0.5 * beta;
         }});
  }
  for (const double delta : {0.3, 1.0, 2.5}) {
    cases.push_back(
        {"huber", [delta](auto& x, auto& t, Reduction r) { return huber_loss(x, t, {.reduction = r, .delta = delta}); },
         [delta](double x, double t) {
           const double d = std::abs(x - t);
           return d <= delta ? 0.5 * d * d : delta * (d - 0.5 * delta);
         }});
  }
  cases.push_back(
      {"bce_with_logits",
       [](auto& x, auto& t, Reduction r) { return binary_cross_entropy_with_logits(x, t, {.reduction = r}); },
       [](double x, double t) {
         const double p = 1.0 / (1.0 + std::exp(-x));
         return -t * std::log(p) - (1.0 - t) * std::log(1.0 - p);
       }});
  cases.push_back({"kl_div_of_logs",
                   [](auto& x, auto& t, Reduction r) {
                     using Kind = KlDivOptions::Reduction;
                     const Kind kind = r == Reduction::Mean ? Kind::Mean : r == Reduction::Sum ? Kind::Sum : Kind::None;
                     return kl_div(x, t, {.reduction = kind, .log_target = true});
                   },
                   [](double x, double t) { return std::exp(t) * (t - x); }});
  return cases;
}

std::vector<LossCase> losses_of_probabilities() {
  return {{"bce", [](auto& x, auto& t, Reduction r) { return binary_cross_entropy(x, t, {.reduction = r}); },
           [](double x, double t) { return -t * std::log(x) - (1.0 - t) * std::log(1.0 - x); }},
          {"kl_div",
           [](auto& x, auto& t, Reduction r) {
             using Kind = KlDivOptions::Reduction;
             const Kind kind = r == Reduction::Mean ? Kind::Mean : r == Reduction::Sum ? Kind::Sum : Kind::None;
             return kl_div(x, t, {.reduction = kind});
           },
           [](double x, double t) { return t * (std::log(t) - x); }}};
}

TEST(Loss, MatchesTheFormula) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const LossCase& c : losses_of_numbers()) {
      SCOPED_TRACE(c.name);
      expect_formula(c.loss, c.formula, normal({7, 11}, 1, dtype), normal({7, 11}, 2, dtype));
      expect_formula(c.loss, c.formula, normal({11, 7}, 1, dtype).t(), normal({7, 11}, 2, dtype));
    }
    for (const LossCase& c : losses_of_probabilities()) {
      SCOPED_TRACE(c.name);
      expect_formula(c.loss, c.formula, probabilities({7, 11}, 1, dtype), probabilities({7, 11}, 2, dtype));
    }
  }
}

TEST(Loss, GradientsOfInputAndTargetTwice) {
  for (const LossCase& c : losses_of_numbers()) {
    SCOPED_TRACE(c.name);
    testing::check_gradients([&](auto& v) { return c.loss(v[0], v[1], Reduction::None); },
                             {leaf({3, 4}, 1), leaf({3, 4}, 2)});
    testing::check_gradients([&](auto& v) { return c.loss(v[0], v[1], Reduction::Mean); },
                             {leaf({4, 3}, 3), leaf({4, 3}, 4)});
  }
  for (const LossCase& c : losses_of_probabilities()) {
    SCOPED_TRACE(c.name);
    testing::check_gradients([&](auto& v) { return c.loss(v[0], v[1], Reduction::None); },
                             {probabilities({3, 4}, 1).requires_grad_(), probabilities({3, 4}, 2).requires_grad_()});
  }
}

TEST(Loss, BroadcastsWhereDifferencesDo) {
  const Tensor x = leaf({3, 1}, 5), t = leaf({4}, 6);
  EXPECT_EQ(mse_loss(x, t, {Reduction::None}).shape(), (Shape{3, 4}));
  testing::check_gradients([&](auto& v) { return huber_loss(v[0], v[1]); }, {x, t});
}

TEST(Loss, SurvivesConfidentLogits) {
  const Tensor x = Tensor::of({200.0F, -200.0F, 0.0F}, {}, {.requires_grad = true});
  const Tensor t = Tensor::of({0.0F, 0.0F, 1.0F});
  const Tensor losses = binary_cross_entropy_with_logits(x, t, {.reduction = Reduction::None});
  EXPECT_EQ(losses.to_vector<float>()[0], 200.0F);
  EXPECT_EQ(losses.to_vector<float>()[1], 0.0F);
  losses.backward(Tensor::ones({3}));
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{1.0F, 0.0F, -0.5F}));
}

TEST(Loss, BinaryCrossEntropyIsFiniteAtItsEnds) {
  const Tensor x = Tensor::of({0.0, 1.0, 0.0, 1.0}), t = Tensor::of({0.0, 0.0, 1.0, 1.0});
  EXPECT_EQ(binary_cross_entropy(x, t, {.reduction = Reduction::None}).to_vector<double>(),
            (std::vector<double>{0, 100, 100, 0}));
}

TEST(Loss, WeightsLogitsAndPositives) {
  const Tensor x = normal({4, 3}, 7, kFloat64), t = probabilities({4, 3}, 8);
  const Tensor weight = probabilities({4, 1}, 9), positive = Tensor::of({0.5, 1.0, 3.0});
  const auto got =
      binary_cross_entropy_with_logits(x, t, {.weight = weight, .reduction = Reduction::None, .pos_weight = positive})
          .to_vector<double>();
  for (std::size_t i = 0; i < 12; ++i) {
    const double p = 1.0 / (1.0 + std::exp(-x.to_vector<double>()[i])), target = t.to_vector<double>()[i];
    const double expected =
        -positive.to_vector<double>()[i % 3] * target * std::log(p) - (1 - target) * std::log(1 - p);
    EXPECT_NEAR(got[i], weight.to_vector<double>()[i / 3] * expected, 1e-14);
  }
  testing::check_gradients(
      [&](auto& v) { return binary_cross_entropy_with_logits(v[0], v[1], {.weight = weight, .pos_weight = positive}); },
      {leaf({4, 3}, 7), leaf({4, 3}, 8)});
}

TEST(Loss, KlDivergenceDividesByTheBatch) {
  const Tensor x = normal({4, 3}, 7, kFloat64), t = probabilities({4, 3}, 8);
  using Kind = KlDivOptions::Reduction;
  EXPECT_DOUBLE_EQ(kl_div(x, t, {.reduction = Kind::BatchMean}).item<double>(),
                   kl_div(x, t, {.reduction = Kind::Sum}).item<double>() / 4.0);
  const Tensor zero = Tensor::zeros({1}, {.dtype = kFloat64, .requires_grad = true});
  kl_div(Tensor::of({2.0}), zero, {.reduction = Kind::Sum}).backward();
  EXPECT_EQ(zero.grad().item<double>(), -2.0);
}

TEST(Loss, OfNothingIsNanAndOfNanIsNan) {
  EXPECT_TRUE(std::isnan(mse_loss(Tensor::zeros({0}), Tensor::zeros({0})).item<float>()));
  EXPECT_EQ(l1_loss(Tensor::zeros({0, 3}), Tensor::zeros({0, 3}), {Reduction::Sum}).item<float>(), 0.0F);
  const Tensor nan = Tensor::of({std::numeric_limits<float>::quiet_NaN()});
  for (const LossCase& c : losses_of_numbers()) {
    EXPECT_TRUE(std::isnan(c.loss(nan, Tensor::of({0.5F}), Reduction::Sum).item<float>())) << c.name;
  }
  const Tensor leaf = nan.clone().requires_grad_();
  l1_loss(leaf, Tensor::of({0.5F})).backward();
  EXPECT_TRUE(std::isnan(leaf.grad().item<float>()));
}

TEST(Loss, IsTheSameForAnyNumberOfThreads) {
  const Tensor x = normal({300, 100}, 10), t = normal({300, 100}, 11);
  for (const LossCase& c : losses_of_numbers()) {
    testing::expect_same_for_any_threads([&] { return c.loss(x, t, Reduction::Mean); });
  }
}

TEST(Loss, ErrorsNameShapesAndOptions) {
  EXPECT_EQ(error_of([] { return mse_loss(Tensor::zeros({2}), Tensor::zeros({2}, {.dtype = kFloat64})); }),
            "[mse_loss] expects input and target of one dtype, float32 or float64; got input float32 (2), target "
            "float64 (2); cast with to(…)");
  EXPECT_NE(error_of([] { return mse_loss(Tensor::zeros({2}), Tensor::zeros({3})); }).find("[mse_loss]"),
            std::string::npos);
  EXPECT_EQ(error_of([] { return binary_cross_entropy(Tensor::zeros({2}), Tensor::zeros({1})); }),
            "[binary_cross_entropy] expects input and target of one shape; got (2) and (1)");
  EXPECT_EQ(error_of([] { return huber_loss(Tensor::zeros({2}), Tensor::zeros({2}), {.delta = 0.0}); }),
            "[huber_loss] delta must be greater than 0; got 0");
  EXPECT_EQ(error_of([] { return smooth_l1_loss(Tensor::zeros({2}), Tensor::zeros({2}), {.beta = -1.0}); }),
            "[smooth_l1_loss] beta must be at least 0; got -1");
}

}  // namespace
}  // namespace coppice
