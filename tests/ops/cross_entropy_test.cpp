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
            "[cross_entropy] expects a target of classes of the shape (2); got logits (2, 3), target (3)");
  EXPECT_EQ(error_of([&] { return cross_entropy(logits, Tensor::zeros({2}, {.dtype = kInt32})); }),
            "[cross_entropy] expects an int64 target; got int32 (2); cast with to(kInt64)");
  EXPECT_NE(error_of([&] {
              return cross_entropy(logits, Tensor::zeros({2}, {.dtype = kInt64}), {.label_smoothing = 1.5});
            }).find("label_smoothing must lie in [0, 1]; got 1.5"),
            std::string::npos);
  EXPECT_TRUE(std::isnan(cross_entropy(Tensor::zeros({0, 3}), Tensor::zeros({0}, {.dtype = kInt64})).item<float>()));
}

/// The definition with everything: plain loops over (n, c, d).
double naive_weighted_mean(const Tensor& logits, const Tensor& target, const std::vector<double>& weight,
                           double smoothing, std::int64_t ignored) {
  const auto x = logits.to_vector<double>();
  const auto t = target.to_vector<std::int64_t>();
  const std::int64_t classes = logits.size(1), inner = logits.numel() / (logits.size(0) * classes);
  double sum_losses = 0, sum_weights = 0;
  for (std::int64_t n = 0; n < logits.size(0); ++n) {
    for (std::int64_t d = 0; d < inner; ++d) {
      const auto at = [&](std::int64_t c) { return x[static_cast<std::size_t>((n * classes + c) * inner + d)]; };
      const std::int64_t label = t[static_cast<std::size_t>(n * inner + d)];
      if (label == ignored) continue;
      double total = 0;
      for (std::int64_t c = 0; c < classes; ++c) total += std::exp(at(c));
      for (std::int64_t c = 0; c < classes; ++c) {
        const double share = (c == label ? 1 - smoothing : 0.0) + smoothing / static_cast<double>(classes);
        sum_losses -= weight[static_cast<std::size_t>(c)] * share * (at(c) - std::log(total));
      }
      sum_weights += weight[static_cast<std::size_t>(label)];
    }
  }
  return sum_losses / sum_weights;
}

TEST(CrossEntropy, WeighsClassesIgnoresOneAndTakesImages) {
  const std::vector<double> weight{0.5, 2.0, 1.0, 0.0, 3.0};
  const Tensor class_weight = Tensor::of(weight);
  Generator generator(3);
  const Tensor logits = leaf({3, 5, 2, 4}, 11);
  const Tensor target = Tensor::randint(0, 5, {3, 2, 4}, generator);
  for (const std::int64_t ignored : {std::int64_t{-100}, std::int64_t{2}}) {
    for (const double smoothing : {0.0, 0.2}) {
      const CrossEntropyOptions all{.weight = class_weight, .ignore_index = ignored, .label_smoothing = smoothing};
      EXPECT_NEAR(cross_entropy(logits, target, all).item<double>(),
                  naive_weighted_mean(logits, target, weight, smoothing, ignored), 1e-12);
      const CrossEntropyOptions plain{.ignore_index = ignored, .label_smoothing = smoothing};
      EXPECT_NEAR(cross_entropy(logits, target, plain).item<double>(),
                  naive_weighted_mean(logits, target, std::vector<double>(5, 1.0), smoothing, ignored), 1e-12);
      testing::check_gradients([&](auto& v) { return cross_entropy(v[0], target, all); }, {logits});
      testing::check_gradients([&](auto& v) { return cross_entropy(v[0], target, plain); }, {logits});
    }
  }
  EXPECT_EQ(cross_entropy(logits, target, {.reduction = Reduction::None}).shape(), (Shape{3, 2, 4}));
  EXPECT_EQ(cross_entropy(leaf({5}, 1), Tensor::full({}, 3, {.dtype = kInt64})).shape(), Shape{});
}

TEST(CrossEntropy, IgnoredRowsHaveNoLossWhateverTheirLogits) {
  const Tensor logits = Tensor::of({1.0F, 2.0F, INFINITY, INFINITY}, Shape{2, 2});
  const Tensor target = Tensor::of({std::int64_t{0}, std::int64_t{-100}});
  const auto losses = cross_entropy(logits, target, {.reduction = Reduction::None}).to_vector<float>();
  EXPECT_GT(losses[0], 1.0F);
  EXPECT_EQ(losses[1], 0.0F);
  EXPECT_TRUE(std::isnan(cross_entropy(logits, Tensor::full({2}, -100, {.dtype = kInt64})).item<float>()));
}

TEST(CrossEntropy, TakesProbabilities) {
  const Tensor logits = leaf({3, 4, 2}, 12);
  const Tensor target = softmax(leaf({3, 4, 2}, 13), 1).detach().requires_grad_();
  const Tensor weight = Tensor::of({0.5, 2.0, 1.0, 3.0});
  const auto x = logits.to_vector<double>(), q = target.to_vector<double>();
  double expected = 0;
  for (std::size_t n = 0; n < 3; ++n) {
    for (std::size_t d = 0; d < 2; ++d) {
      double total = 0;
      for (std::size_t c = 0; c < 4; ++c) total += std::exp(x[(n * 4 + c) * 2 + d]);
      for (std::size_t c = 0; c < 4; ++c) {
        const std::size_t i = (n * 4 + c) * 2 + d;
        expected -= weight.to_vector<double>()[c] * (q[i] * 0.9 + 0.1 / 4) * (x[i] - std::log(total));
      }
    }
  }
  const CrossEntropyOptions options{.weight = weight, .label_smoothing = 0.1};
  EXPECT_NEAR(cross_entropy(logits, target, options).item<double>(), expected / 6, 1e-13);
  testing::check_gradients([&](auto& v) { return cross_entropy(v[0], v[1], options); }, {logits, target});
}

TEST(NllLoss, IsCrossEntropyOfLogSoftmax) {
  const Tensor logits = leaf({3, 5, 4}, 14);
  Generator generator(4);
  const Tensor target = Tensor::randint(0, 5, {3, 4}, generator);
  const Tensor weight = Tensor::of({0.5, 2.0, 1.0, 0.0, 3.0});
  for (const Reduction reduction : {Reduction::Mean, Reduction::Sum, Reduction::None}) {
    const auto got =
        nll_loss(log_softmax(logits, 1), target, {.weight = weight, .ignore_index = 1, .reduction = reduction});
    const auto expected = cross_entropy(logits, target, {.weight = weight, .ignore_index = 1, .reduction = reduction});
    ASSERT_EQ(got.shape(), expected.shape());
    for (std::size_t i = 0; i < got.to_vector<double>().size(); ++i) {
      EXPECT_NEAR(got.to_vector<double>()[i], expected.to_vector<double>()[i], 1e-13);
    }
  }
  EXPECT_EQ(nll_loss(Tensor::of({-1.0, -2.0, -4.0, -8.0}, Shape{2, 2}), Tensor::of({std::int64_t{1}, std::int64_t{0}}))
                .item<double>(),
            3.0);
  testing::check_gradients([&](auto& v) { return nll_loss(v[0] * v[0], target, {.weight = weight}); }, {logits});
}

}  // namespace
}  // namespace coppice
