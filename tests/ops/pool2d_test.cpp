#include <coppice/ops/pool2d.h>

#include <cmath>
#include <limits>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>

#include "tests/autograd/leak_check.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using Pair = std::array<std::int64_t, 2>;
constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

struct PoolCase {
  std::string name;
  Shape input;
  Pair kernel, stride, padding, dilation;
  bool ceil_mode;
  Pair output;  // worked out by hand
};

std::ostream& operator<<(std::ostream& out, const PoolCase& c) { return out << c.name << " on " << c.input; }

const PoolCase kCases[] = {
    {"one_by_one", {1, 1, 1, 1}, {1, 1}, {1, 1}, {0, 0}, {1, 1}, false, {1, 1}},
    {"halving", {2, 3, 8, 6}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false, {4, 3}},
    {"odd", {2, 3, 7, 5}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false, {3, 2}},
    {"odd_ceil", {2, 3, 7, 5}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, true, {4, 3}},
    {"overlapping", {2, 2, 7, 9}, {3, 3}, {2, 2}, {1, 1}, {1, 1}, false, {4, 5}},
    {"kernel_is_input", {2, 2, 4, 5}, {4, 5}, {1, 1}, {0, 0}, {1, 1}, false, {1, 1}},
    {"rectangular", {1, 2, 6, 9}, {3, 2}, {1, 3}, {1, 0}, {1, 1}, false, {6, 3}},
    {"ceil_drops_padding_window", {1, 1, 3, 3}, {2, 2}, {2, 2}, {1, 1}, {1, 1}, true, {2, 2}},
    {"gaps", {1, 1, 9, 9}, {2, 2}, {4, 3}, {0, 0}, {1, 1}, false, {2, 3}},
    {"wide_kernel", {1, 1, 20, 20}, {17, 18}, {1, 1}, {0, 0}, {1, 1}, false, {4, 3}},
    {"empty_batch", {0, 2, 4, 4}, {2, 2}, {2, 2}, {0, 0}, {1, 1}, false, {2, 2}},
};

MaxPool2dOptions max_options(const PoolCase& c) {
  return {.stride = c.stride, .padding = c.padding, .dilation = c.dilation, .ceil_mode = c.ceil_mode};
}

AvgPool2dOptions avg_options(const PoolCase& c, bool count_include_pad) {
  return {.stride = c.stride, .padding = c.padding, .ceil_mode = c.ceil_mode, .count_include_pad = count_include_pad};
}

/// Calls visit(output index, input index) for every element of every window that lies in the image, in row-major order.
template <class Visit>
void for_windows(const PoolCase& c, Visit&& visit) {
  std::size_t out = 0;
  for (std::int64_t plane = 0; plane < c.input[0] * c.input[1]; ++plane)
    for (std::int64_t oy = 0; oy < c.output[0]; ++oy)
      for (std::int64_t ox = 0; ox < c.output[1]; ++ox, ++out)
        for (std::int64_t ky = 0; ky < c.kernel[0]; ++ky)
          for (std::int64_t kx = 0; kx < c.kernel[1]; ++kx) {
            const std::int64_t y = oy * c.stride[0] - c.padding[0] + ky * c.dilation[0];
            const std::int64_t x = ox * c.stride[1] - c.padding[1] + kx * c.dilation[1];
            if (y < 0 || y >= c.input[2] || x < 0 || x >= c.input[3]) continue;
            visit(out, static_cast<std::size_t>((plane * c.input[2] + y) * c.input[3] + x));
          }
}

Tensor integers(const Shape& shape, Generator& generator) {
  return Tensor::randint(-3, 4, shape, generator, {.dtype = kFloat64});
}

TEST(MaxPool2d, MatchesTheDefinition) {
  std::vector<PoolCase> cases(std::begin(kCases), std::end(kCases));
  cases.push_back({"wide", {1, 1, 3, 601}, {2, 3}, {1, 2}, {1, 1}, {1, 1}, false, {4, 301}});
  cases.push_back({"dilated", {2, 2, 8, 9}, {3, 2}, {2, 1}, {1, 1}, {2, 3}, false, {3, 8}});
  for (const PoolCase& c : cases) {
    Generator generator(3);
    Tensor input = integers(c.input, generator).requires_grad_();  // many ties
    const Tensor output = max_pool2d(input, c.kernel, max_options(c));
    ASSERT_EQ(output.shape(), (Shape{c.input[0], c.input[1], c.output[0], c.output[1]})) << c;
    const Tensor d_output = integers(output.shape(), generator);
    output.backward(d_output);

    const std::vector<double> x = input.to_vector<double>(), dy = d_output.to_vector<double>();
    std::vector<std::size_t> best(dy.size(), x.size());
    for_windows(c, [&](std::size_t out, std::size_t in) {
      if (best[out] == x.size() || x[in] > x[best[out]]) best[out] = in;
    });
    std::vector<double> y(dy.size()), dx(x.size());
    for (std::size_t out = 0; out < y.size(); ++out) {
      y[out] = x[best[out]];
      dx[best[out]] += dy[out];
    }
    EXPECT_EQ(output.to_vector<double>(), y) << c;
    EXPECT_EQ(input.grad().to_vector<double>(), dx) << c;
    EXPECT_TRUE(bit_equal(max_pool2d(detail::raw_cast(input, kFloat32), c.kernel, max_options(c)),
                          detail::raw_cast(output, kFloat32)))
        << c;
  }
}

TEST(MaxPool2d, TheFirstOfEqualsAndTheFirstNanGetTheGradient) {
  Tensor input = Tensor::of({1.0, 5.0, 5.0, 5.0,  //
                             kNan, 9.0, 2.0, kNan},
                            Shape{1, 2, 2, 2}, {.requires_grad = true});
  const Tensor output = max_pool2d(input, {2, 2});
  EXPECT_EQ(output.to_vector<double>()[0], 5.0);
  EXPECT_TRUE(std::isnan(output.to_vector<double>()[1]));
  output.backward(Tensor::ones_like(output));
  EXPECT_EQ(input.grad().to_vector<double>(), (std::vector<double>{0, 1, 0, 0, 1, 0, 0, 0}));
}

TEST(MaxPool2d, PaddingNeverWins) {
  const Tensor input = Tensor::full({1, 1, 2, 2}, -7.0);
  EXPECT_TRUE(bit_equal(max_pool2d(input, {2, 2}, {.stride = Pair{1, 1}, .padding = {1, 1}}),
                        Tensor::full({1, 1, 3, 3}, -7.0)));
  const double low = -std::numeric_limits<double>::infinity();
  EXPECT_TRUE(bit_equal(max_pool2d(Tensor::full({1, 1, 2, 2}, low), {2, 2}), Tensor::full({1, 1, 1, 1}, low)));
}

TEST(AvgPool2d, MatchesTheDefinition) {
  for (const PoolCase& c : kCases) {
    for (const bool include_pad : {true, false}) {
      Generator generator(5);
      Tensor input = integers(c.input, generator).requires_grad_();
      const Tensor output = avg_pool2d(input, c.kernel, avg_options(c, include_pad));
      ASSERT_EQ(output.shape(), (Shape{c.input[0], c.input[1], c.output[0], c.output[1]})) << c;
      const Tensor d_output = integers(output.shape(), generator);
      output.backward(d_output);

      const std::vector<double> x = input.to_vector<double>(), dy = d_output.to_vector<double>();
      std::vector<double> y(dy.size()), dx(x.size()), divisor(dy.size());
      for_windows(c, [&](std::size_t out, std::size_t) { divisor[out] += 1.0; });
      if (include_pad) {  // a window counts what lies within the padded image
        std::size_t out = 0;
        for (std::int64_t plane = 0; plane < c.input[0] * c.input[1]; ++plane)
          for (std::int64_t oy = 0; oy < c.output[0]; ++oy)
            for (std::int64_t ox = 0; ox < c.output[1]; ++ox) {
              const std::int64_t rows = std::min(c.kernel[0], c.input[2] + 2 * c.padding[0] - oy * c.stride[0]);
              const std::int64_t columns = std::min(c.kernel[1], c.input[3] + 2 * c.padding[1] - ox * c.stride[1]);
              divisor[out++] = static_cast<double>(rows * columns);
            }
      }
      for_windows(c, [&](std::size_t out, std::size_t in) {
        y[out] += x[in];
        dx[in] += dy[out] / divisor[out];
      });
      for (std::size_t out = 0; out < y.size(); ++out) y[out] /= divisor[out];
      EXPECT_EQ(output.to_vector<double>(), y) << c;
      EXPECT_EQ(input.grad().to_vector<double>(), dx) << c;
    }
  }
}

TEST(AdaptiveAvgPool2d, AveragesUnequalWindows) {
  const Tensor input = Tensor::of({1.F, 2.F, 3.F, 4.F, 5.F}, Shape{1, 1, 1, 5});
  // Windows [0, 3) and [2, 5) of five; [0, 2), [1, 4), [3, 5).
  EXPECT_EQ(adaptive_avg_pool2d(input, {1, 2}).to_vector<float>(), (std::vector<float>{2.F, 4.F}));
  EXPECT_EQ(adaptive_avg_pool2d(input, {1, 3}).to_vector<float>(), (std::vector<float>{1.5F, 3.F, 4.5F}));
  EXPECT_EQ(adaptive_avg_pool2d(input, {1, 5}).to_vector<float>(), input.to_vector<float>());
  EXPECT_EQ(adaptive_avg_pool2d(input, {2, 1}).to_vector<float>(), (std::vector<float>{3.F, 3.F}));
}

TEST(Pool2d, GradientsAgreeWithDifferences) {
  for (const PoolCase& c : kCases) {
    if (c.input.numel() == 0 || c.name == "wide_kernel") continue;
    // Distinct elements, further apart than the step, so that no maximum changes.
    Generator generator(7);
    std::vector<double> values(static_cast<std::size_t>(c.input.numel()));
    const std::vector<std::int64_t> order = generator.permutation(c.input.numel());
    for (std::size_t i = 0; i < values.size(); ++i) values[i] = 0.01 * static_cast<double>(order[i]);
    const Tensor input = Tensor::of(values, c.input, {.requires_grad = true});
    gradcheck([&](const std::vector<Tensor>& in) { return std::vector{max_pool2d(in[0], c.kernel, max_options(c))}; },
              {input}, {.double_backward = true});
    for (const bool include_pad : {true, false}) {
      gradcheck(
          [&](const std::vector<Tensor>& in) {
            return std::vector{avg_pool2d(in[0], c.kernel, avg_options(c, include_pad))};
          },
          {input}, {.double_backward = true});
    }
    gradcheck(
        [](const std::vector<Tensor>& in) {
          return std::vector{adaptive_avg_pool2d(in[0], {2, 3})};
        },
        {input}, {.double_backward = true});
  }
}

TEST(Pool2d, ReadsViewsThatAreNotContiguous) {
  Generator generator(9);
  const Tensor input = Tensor::randn({9, 7, 3, 2}, generator).permute({3, 2, 0, 1});
  const Tensor dense = input.to_dense();
  EXPECT_TRUE(bit_equal(max_pool2d(input, {2, 2}), max_pool2d(dense, {2, 2})));
  EXPECT_TRUE(bit_equal(avg_pool2d(input, {3, 2}), avg_pool2d(dense, {3, 2})));
  EXPECT_TRUE(bit_equal(adaptive_avg_pool2d(input, {4, 3}), adaptive_avg_pool2d(dense, {4, 3})));
}

TEST(Pool2d, IsBitwiseTheSameForAnyNumberOfThreads) {
  Generator generator(11);
  const Tensor values = Tensor::randn({5, 7, 61, 63}, generator);
  const int before = num_threads();
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<Tensor> results;
    for (int op = 0; op < 2; ++op) {
      Tensor input = values.clone().requires_grad_();
      const Tensor y = op == 0 ? max_pool2d(input, {3, 3}, {.stride = Pair{2, 2}})
                               : avg_pool2d(input, {3, 3}, {.stride = Pair{2, 2}, .padding = {1, 1}});
      y.backward(y.detach());
      results.push_back(y.detach());
      results.push_back(input.grad());
    }
    if (first.empty()) first = results;
    for (std::size_t i = 0; i < results.size(); ++i)
      EXPECT_TRUE(bit_equal(results[i], first[i])) << threads << ' ' << i;
  }
  set_num_threads(before);
}

TEST(Pool2d, LeaksNothing) {
  Generator generator(13);
  const Tensor input = Tensor::randn({2, 2, 6, 6}, generator, {.requires_grad = true});
  expect_no_leak([](const std::vector<Tensor>& in) { return std::vector{max_pool2d(in[0], {2, 2})}; }, {input});
  expect_no_leak([](const std::vector<Tensor>& in) { return std::vector{avg_pool2d(in[0], {2, 2})}; }, {input});
  expect_no_leak(
      [](const std::vector<Tensor>& in) {
        return std::vector{adaptive_avg_pool2d(in[0], {2, 2})};
      },
      {input});
}

TEST(Pool2d, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 1, 3, 4});
  expect_error(
      [&] {
        max_pool2d(input, {4, 2});
      },
      "[max_pool2d] the kernel (4, 2) is larger than the padded input; got input (1, 1, 3, 4)");
  expect_error(
      [&] {
        avg_pool2d(input, {2, 2}, {.padding = {2, 0}});
      },
      "[avg_pool2d] expects a padding of at most half the kernel; got padding (2, 0), kernel (2, 2)");
  expect_error(
      [&] {
        max_pool2d(Tensor::zeros({3, 4}), {1, 1});
      },
      "[max_pool2d] expects an input (n, c, h, w); got (3, 4)");
  expect_error(
      [&] {
        adaptive_avg_pool2d(input, {0, 1});
      },
      "[adaptive_avg_pool2d] expects an output and an input of at least 1 × 1; got output (0, 1), input (1, "
      "1, 3, 4)");
  expect_error(
      [&] {
        max_pool2d(Tensor::zeros({1, 1, 3, 4}, {.dtype = kInt64}), {1, 1});
      },
      "[max_pool2d] expects a floating dtype; got int64 (1, 1, 3, 4)");
}

}  // namespace
}  // namespace coppice
