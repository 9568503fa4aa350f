#include <coppice/ops/batch_norm.h>

#include <cmath>

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>

#include "tests/autograd/leak_check.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

constexpr BatchNormOptions kBatchHold{.running = BatchNormRunning::Hold};
constexpr BatchNormOptions kRunningHold{.statistics = BatchNormStatistics::Running, .running = BatchNormRunning::Hold};

TEST(BatchNorm, GoldenValues) {
  // One channel with 1, 2, 3, 6: mean 3, squared deviations 4 + 1 + 0 + 9 = 14, biased variance 3.5, unbiased 14/3.
  const Tensor input = Tensor::of({1.0, 2.0, 3.0, 6.0}, Shape{2, 1, 1, 2});
  const Tensor running_mean = Tensor::of({0.5}), running_var = Tensor::of({2.0});
  const Tensor output = batch_norm(input, Tensor::of({2.0}), Tensor::of({1.0}), running_mean, running_var);
  const double deviation = std::sqrt(3.5 + 1e-5);
  const std::vector<double> expected{1 - 4 / deviation, 1 - 2 / deviation, 1, 1 + 6 / deviation};
  for (std::size_t i = 0; i < 4; ++i) EXPECT_NEAR(output.to_vector<double>()[i], expected[i], 1e-15);
  EXPECT_NEAR(running_mean.item<double>(), 0.9 * 0.5 + 0.1 * 3.0, 1e-15);
  EXPECT_NEAR(running_var.item<double>(), 0.9 * 2.0 + 0.1 * 14.0 / 3.0, 1e-15);
}

TEST(BatchNorm, TheFourModes) {
  Generator generator(3);
  const Tensor input = Tensor::randn({4, 2, 3, 3}, generator, {.dtype = kFloat64});
  for (const BatchNormStatistics statistics : {BatchNormStatistics::Batch, BatchNormStatistics::Running}) {
    Tensor results[2];
    for (const BatchNormRunning running : {BatchNormRunning::Update, BatchNormRunning::Hold}) {
      const Tensor mean = Tensor::of({0.25, -1.0}), var = Tensor::of({4.0, 0.5});
      const Tensor mean_before = mean.to_dense(), var_before = var.to_dense();
      const Tensor output = batch_norm(input, {}, {}, mean, var, {.statistics = statistics, .running = running});
      const bool held = running == BatchNormRunning::Hold;
      EXPECT_EQ(bit_equal(mean, mean_before), held);
      EXPECT_EQ(bit_equal(var, var_before), held);
      results[held ? 0 : 1] = output;
      if (statistics == BatchNormStatistics::Running) {
        const double first = (input.to_vector<double>()[0] - 0.25) / std::sqrt(4.0 + 1e-5);
        EXPECT_NEAR(output.to_vector<double>()[0], first, 1e-14);
      }
    }
    EXPECT_TRUE(bit_equal(results[0], results[1]));  // an update takes effect after use
  }
}

TEST(BatchNorm, MatchesADirectComputation) {
  for (const Shape& shape :
       {Shape{5, 3}, Shape{4, 2, 7}, Shape{3, 4, 5, 2}, Shape{2, 1, 40, 60}, Shape{2, 2, 2, 3, 2}}) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      Generator generator(5);
      const std::int64_t channels = shape[1], inner = shape.numel() / shape[0] / channels;
      const Tensor input = Tensor::randn(shape, generator, {.dtype = dtype});
      const Tensor weight = Tensor::randn({channels}, generator, {.dtype = dtype});
      const Tensor bias = Tensor::randn({channels}, generator, {.dtype = dtype});
      const std::vector<double> y = batch_norm(input, weight, bias, {}, {}).to_vector<double>();
      const std::vector<double> x = input.to_vector<double>();
      const std::vector<double> w = weight.to_vector<double>(), b = bias.to_vector<double>();
      for (std::int64_t c = 0; c < channels; ++c) {
        const auto at = [&](std::int64_t n, std::int64_t i) {
          return static_cast<std::size_t>((n * channels + c) * inner + i);
        };
        double mean = 0, variance = 0;
        const auto count = static_cast<double>(shape[0] * inner);
        for (std::int64_t n = 0; n < shape[0]; ++n)
          for (std::int64_t i = 0; i < inner; ++i) mean += x[at(n, i)] / count;
        for (std::int64_t n = 0; n < shape[0]; ++n)
          for (std::int64_t i = 0; i < inner; ++i) variance += std::pow(x[at(n, i)] - mean, 2) / count;
        for (std::int64_t n = 0; n < shape[0]; ++n)
          for (std::int64_t i = 0; i < inner; ++i) {
            const auto k = static_cast<std::size_t>(c);
            const double expected = (x[at(n, i)] - mean) / std::sqrt(variance + 1e-5) * w[k] + b[k];
            ASSERT_NEAR(y[at(n, i)], expected, dtype == kFloat64 ? 1e-13 : 1e-5) << shape;
          }
      }
    }
  }
}

TEST(BatchNorm, KeepsItsVarianceFarFromZero) {
  // One pass over x² would lose every digit of a variance of 1 at a mean of 10⁴ in f32.
  Generator generator(7);
  const Tensor noise = Tensor::randn({64, 1, 8, 8}, generator, {.dtype = kFloat64});
  const Tensor shifted = detail::raw_cast(noise.clone().add_(Tensor::full({1}, 1e4, {.dtype = kFloat64})), kFloat32);
  const Tensor mean = Tensor::zeros({1}), var = Tensor::zeros({1});
  batch_norm(shifted, {}, {}, mean, var, {.momentum = 1.0});
  const Tensor exact_mean = Tensor::zeros({1}, {.dtype = kFloat64}),
               exact_var = Tensor::zeros({1}, {.dtype = kFloat64});
  batch_norm(detail::raw_cast(shifted, kFloat64), {}, {}, exact_mean, exact_var, {.momentum = 1.0});
  EXPECT_NEAR(mean.item<double>(), exact_mean.item<double>(), 1e-3);
  EXPECT_NEAR(var.item<double>() / exact_var.item<double>(), 1.0, 1e-5);
}

TEST(BatchNorm, GradientsAgreeWithDifferences) {
  for (const Shape& shape : {Shape{6, 2}, Shape{3, 2, 4}, Shape{2, 3, 3, 2}}) {
    for (const BatchNormOptions& options : {kBatchHold, kRunningHold}) {
      Generator generator(11);
      const TensorOptions leaf{.dtype = kFloat64, .requires_grad = true};
      const Tensor input = Tensor::randn(shape, generator, leaf);
      const Tensor weight = Tensor::randn({shape[1]}, generator, leaf);
      const Tensor bias = Tensor::randn({shape[1]}, generator, leaf);
      const Tensor mean = Tensor::randn({shape[1]}, generator, {.dtype = kFloat64});
      const Tensor var = Tensor::full({shape[1]}, 0.7, {.dtype = kFloat64});
      gradcheck(
          [&](const std::vector<Tensor>& in) {
            return std::vector{batch_norm(in[0], in[1], in[2], mean, var, options)};
          },
          {input, weight, bias});
      gradcheck(
          [&](const std::vector<Tensor>& in) { return std::vector{batch_norm(in[0], {}, {}, mean, var, options)}; },
          {input});
    }
  }
}

TEST(BatchNorm, BatchGradientIsOrthogonalToWhatNormalisingRemoves) {
  // The output does not change when the input is shifted or scaled per channel.
  Generator generator(13);
  Tensor input = Tensor::randn({8, 1, 5, 5}, generator, {.dtype = kFloat64, .requires_grad = true});
  const Tensor output = batch_norm(input, {}, {}, {}, {}, {.eps = 0.0});
  output.backward(Tensor::randn(output.shape(), generator, {.dtype = kFloat64}));
  const std::vector<double> dx = input.grad().to_vector<double>(), y = output.to_vector<double>();
  double shift = 0, scale = 0;
  for (std::size_t i = 0; i < dx.size(); ++i) {
    shift += dx[i];
    scale += dx[i] * y[i];
  }
  EXPECT_NEAR(shift, 0.0, 1e-12);
  EXPECT_NEAR(scale, 0.0, 1e-12);
}

TEST(BatchNorm, IsBitwiseTheSameForAnyNumberOfThreads) {
  Generator generator(17);
  const Tensor values = Tensor::randn({9, 5, 41, 43}, generator);
  const Tensor weight = Tensor::randn({5}, generator);
  const int before = num_threads();
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    Tensor input = values.clone().requires_grad_(), scale = weight.clone().requires_grad_();
    const Tensor mean = Tensor::zeros({5}), var = Tensor::ones({5});
    const Tensor y = batch_norm(input, scale, Tensor::zeros({5}), mean, var);
    y.backward(values);
    const std::vector<Tensor> results{y.detach(), input.grad(), scale.grad(), mean, var};
    if (first.empty()) first = results;
    for (std::size_t i = 0; i < results.size(); ++i)
      EXPECT_TRUE(bit_equal(results[i], first[i])) << threads << ' ' << i;
  }
  set_num_threads(before);
}

TEST(BatchNorm, Edges) {
  const Tensor mean = Tensor::zeros({3}), var = Tensor::ones({3});
  EXPECT_EQ(batch_norm(Tensor::zeros({0, 3, 4, 4}), {}, {}, mean, var).shape(), (Shape{0, 3, 4, 4}));
  EXPECT_TRUE(bit_equal(mean, Tensor::zeros({3})));  // nothing was seen
  EXPECT_TRUE(bit_equal(var, Tensor::ones({3})));
  const Tensor one = Tensor::full({1, 3, 1, 1}, 2.0);
  EXPECT_NEAR(batch_norm(one, {}, {}, mean, var, kRunningHold).to_vector<double>()[1], 2.0, 2e-5);
  Generator generator(19);
  const Tensor view = Tensor::randn({4, 3, 2, 5}, generator).permute({2, 1, 3, 0});
  EXPECT_TRUE(bit_equal(batch_norm(view, {}, {}, {}, {}), batch_norm(view.to_dense(), {}, {}, {}, {})));
  const Tensor constant = batch_norm(Tensor::full({4, 1}, 3.0), {}, {}, {}, {});
  EXPECT_TRUE(bit_equal(constant, Tensor::zeros({4, 1})));
}

TEST(BatchNorm, LeaksNothing) {
  Generator generator(23);
  const Tensor input = Tensor::randn({2, 3, 4, 4}, generator, {.requires_grad = true});
  const Tensor weight = Tensor::ones({3}, {.requires_grad = true});
  expect_no_leak([](const std::vector<Tensor>& in) { return std::vector{batch_norm(in[0], in[1], {}, {}, {})}; },
                 {input, weight}, {.create_graph = false});
}

TEST(BatchNorm, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({2, 3, 4, 4});
  expect_error([&] { batch_norm(input, Tensor::ones({4}), {}, {}, {}); },
               "[batch_norm] expects weight (3) of float32; got (4) of float32 for input (2, 3, 4, 4)");
  expect_error([&] { batch_norm(input, {}, {}, {}, {}, kRunningHold); },
               "[batch_norm] running statistics are asked for; got none");
  expect_error([&] { batch_norm(input, {}, {}, Tensor::zeros({3}), {}); },
               "[batch_norm] expects both running statistics or neither; got one");
  expect_error(
      [] {
        batch_norm(Tensor::zeros({1, 3, 1, 1}), {}, {}, {}, {});
      },
      "[batch_norm] batch statistics need more than 1 value per channel; got input (1, 3, 1, 1)");
  expect_error([] { batch_norm(Tensor::zeros({3}), {}, {}, {}, {}); },
               "[batch_norm] expects an input (n, c, …); got (3)");
}

}  // namespace
}  // namespace coppice
