#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

Tensor labels(std::int64_t rows, std::int64_t classes) {
  Generator generator(99);
  return Tensor::randint(0, classes, {rows}, generator);
}

/// −Σ q · log p by plain loops, in f64.
std::vector<double> naive_losses(const Tensor& logits, const Tensor& target, double smoothing) {
  const auto x = logits.to_vector<double>();
  const auto t = target.to_vector<std::int64_t>();
  const auto classes = static_cast<std::size_t>(logits.size(1));
  std::vector<double> losses;
  for (std::size_t r = 0; r < t.size(); ++r) {
    double total = 0;
    for (std::size_t j = 0; j < classes; ++j) total += std::exp(x[r * classes + j]);
    double loss = 0;
    for (std::size_t j = 0; j < classes; ++j) {
      const double hit = static_cast<std::size_t>(t[r]) == j ? 1.0 - smoothing : 0.0;
      loss -= (hit + smoothing / static_cast<double>(classes)) * (x[r * classes + j] - std::log(total));
    }
    losses.push_back(loss);
  }
  return losses;
}

TEST(CrossEntropy, MatchesTheDefinition) {
  for (const std::int64_t classes : {1, 2, 10, 67, 300}) {
    for (const double smoothing : {0.0, 0.1, 1.0}) {
      const Tensor logits = normal({33, classes}, 5);
      const Tensor target = labels(33, classes);
      const auto expected = naive_losses(logits, target, smoothing);
      const auto got = cross_entropy(logits, target, {.reduction = Reduction::None, .label_smoothing = smoothing});
      double total = 0;
      for (std::size_t r = 0; r < expected.size(); ++r) {
        EXPECT_NEAR(got.to_vector<double>()[r], expected[r], 3e-6 * (1 + expected[r]));
        total += expected[r];
      }
      const CrossEntropyOptions as_sum{.reduction = Reduction::Sum, .label_smoothing = smoothing};
      EXPECT_NEAR(cross_entropy(logits, target, as_sum).item<double>(), total, 1e-4 * (1 + total) / 33);
      EXPECT_NEAR(cross_entropy(logits, target, {.label_smoothing = smoothing}).item<double>(), total / 33,
                  3e-6 * (1 + total));
    }
  }
}

TEST(CrossEntropy, EqualLogitsGiveLogOfTheClassesAndAnExactGradient) {
  const Tensor logits = Tensor::zeros({4, 8}, {.requires_grad = true});
  const Tensor target = Tensor::of({std::int64_t{0}, std::int64_t{3}, std::int64_t{7}, std::int64_t{3}});
  const Tensor loss = cross_entropy(logits, target);
  EXPECT_FLOAT_EQ(loss.item<float>(), std::log(8.0F));
  loss.backward();
  testing::for_each_index(logits.shape(), [&](const std::vector<std::int64_t>& i) {
    const bool hit = target.to_vector<std::int64_t>()[static_cast<std::size_t>(i[0])] == i[1];
    EXPECT_EQ(testing::element_at(logits.grad(), i), (0.125 - (hit ? 1 : 0)) / 4);
  });
}

TEST(CrossEntropy, ReadsNonContiguousOperands) {
  const Tensor logits = normal({10, 24}, 6);
  const Tensor target = labels(24, 10);
  const CrossEntropyOptions none{.reduction = Reduction::None};
  EXPECT_TRUE(bit_equal(cross_entropy(logits.t(), target, none), cross_entropy(logits.t().contiguous(), target, none)));
  const Tensor every_second = labels(48, 10).slice(0, 0, 48, 2);
  EXPECT_TRUE(bit_equal(cross_entropy(logits.t(), every_second, none),
                        cross_entropy(logits.t(), every_second.contiguous(), none)));
}

TEST(CrossEntropy, GradientsOfFirstAndSecondOrder) {
  const Tensor logits = leaf({4, 5}, 7);
  const Tensor target = labels(4, 5);
  const Tensor weight = leaf({4}, 8);
  for (const double smoothing : {0.0, 0.2}) {
    testing::check_gradients([&](auto& v) { return cross_entropy(v[0], target, {.label_smoothing = smoothing}); },
                             {logits});
    testing::check_gradients(
        [&](auto& v) {
          return v[1] *
                 cross_entropy(v[0] * v[0], target, {.reduction = Reduction::None, .label_smoothing = smoothing});
        },
        {logits, weight});
  }
  testing::check_gradients([&](auto& v) { return cross_entropy(v[0], target, {.reduction = Reduction::Sum}); },
                           {logits});
}

TEST(CrossEntropy, IsTheSameForAnyNumberOfThreads) {
  const Tensor target = labels(3000, 10);
  testing::expect_same_for_any_threads([&] {
    const Tensor logits = normal({3000, 10}, 9).requires_grad_();
    cross_entropy(logits, target).backward();
    return logits.grad();
  });
  const Tensor logits = normal({3000, 10}, 9);
  testing::expect_same_for_any_threads([&] { return cross_entropy(logits, target); });
}

TEST(CrossEntropy, SurvivesConfidentLogits) {
  const Tensor logits = Tensor::of({1e4F, 0.0F}, Shape{1, 2}, {.requires_grad = true});
  const Tensor loss = cross_entropy(logits, Tensor::of({std::int64_t{1}}));
  EXPECT_EQ(loss.item<float>(), 1e4F);
  loss.backward();
  EXPECT_EQ(logits.grad().to_vector<float>(), (std::vector<float>{1, -1}));
}

TEST(CrossEntropy, ErrorsNameRowsAndShapes) {
  const Tensor logits = Tensor::zeros({2, 3});
  EXPECT_EQ(error_of([&] {
              return cross_entropy(logits, Tensor::of({std::int64_t{0}, std::int64_t{3}}));
            }),
            "[cross_entropy] targets must lie in [0, 3); got 3 in row 1 of (2) for logits (2, 3)");
  EXPECT_EQ(error_of([&] { return cross_entropy(logits, Tensor::zeros({3}, {.dtype = kInt64})); }),
            "[cross_entropy] expects logits (n, c) and target (n); got logits (2, 3), target (3)");
  EXPECT_EQ(error_of([&] { return cross_entropy(logits, Tensor::zeros({2}, {.dtype = kInt32})); }),
            "[cross_entropy] expects an int64 target; got int32 (2); cast with to(kInt64)");
  EXPECT_NE(error_of([&] {
              return cross_entropy(logits, Tensor::zeros({2}, {.dtype = kInt64}), {.label_smoothing = 1.5});
            }).find("label_smoothing must lie in [0, 1]; got 1.5"),
            std::string::npos);
  EXPECT_TRUE(std::isnan(cross_entropy(Tensor::zeros({0, 3}), Tensor::zeros({0}, {.dtype = kInt64})).item<float>()));
}

}  // namespace
}  // namespace coppice
