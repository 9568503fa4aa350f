#include <coppice/ops/deform_conv2d.h>

#include <cmath>
#include <limits>
#include <string>

#include <coppice/ops/conv2d.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using testing::small_integers;
using Pair = std::array<std::int64_t, 2>;

struct DeformCase {
  std::string name;
  Shape input, weight;
  Pair stride, padding, dilation;
  std::int64_t offset_groups;
  Pair output;  // worked out by hand
};

const DeformCase kCases[] = {
    {"one_by_one", {1, 1, 1, 1}, {1, 1, 1, 1}, {1, 1}, {0, 0}, {1, 1}, 1, {1, 1}},
    {"plain", {2, 4, 6, 7}, {3, 4, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, {6, 7}},
    {"strided", {1, 6, 9, 8}, {4, 6, 3, 2}, {2, 3}, {1, 0}, {1, 2}, 1, {5, 2}},
    {"groups", {2, 12, 5, 6}, {6, 4, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, {5, 6}},
    {"offset_groups", {1, 20, 5, 5}, {4, 20, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 2, {5, 5}},
    {"both_groups", {1, 18, 5, 6}, {4, 9, 2, 3}, {1, 1}, {0, 2}, {2, 2}, 3, {3, 6}},
    {"many_pixels", {1, 3, 21, 23}, {2, 3, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 1, {21, 23}},
};

DeformConv2dOptions options_of(const DeformCase& c) {
  return {.stride = c.stride, .padding = c.padding, .dilation = c.dilation};
}

struct Operands {
  Tensor input, offset, weight, bias, mask;
};

Operands operands_of(const DeformCase& c, DType dtype) {
  const std::int64_t entries = c.offset_groups * c.weight[2] * c.weight[3];
  return {normal(c.input, 3, dtype), normal({c.input[0], 2 * entries, c.output[0], c.output[1]}, 5, dtype),
          normal(c.weight, 7, dtype), normal({c.weight[0]}, 9, dtype),
          normal({c.input[0], entries, c.output[0], c.output[1]}, 11, dtype)};
}

double bilinear(const Tensor& input, std::int64_t n, std::int64_t channel, double y, double x) {
  double sum = 0.0;
  for (std::int64_t r = 0; r < input.size(2); ++r)
    for (std::int64_t s = 0; s < input.size(3); ++s) {
      const double weight = std::max(0.0, 1.0 - std::abs(y - double(r))) * std::max(0.0, 1.0 - std::abs(x - double(s)));
      if (weight > 0.0) sum += weight * testing::element_at(input, {n, channel, r, s});
    }
  return sum;
}

double reference(const DeformCase& c, const Operands& t, bool masked, const std::vector<std::int64_t>& out) {
  const std::int64_t kh = c.weight[2], kw = c.weight[3], taps = kh * kw;
  const std::int64_t group = out[1] / (c.weight[0] / (c.input[1] / c.weight[1]));
  double sum = testing::element_at(t.bias, {out[1]});
  for (std::int64_t i = 0; i < c.weight[1]; ++i)
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int64_t channel = group * c.weight[1] + i;
      const std::int64_t entry = channel / (c.input[1] / c.offset_groups) * taps + tap;
      const double y = double(out[2] * c.stride[0] - c.padding[0] + tap / kw * c.dilation[0]) +
                       testing::element_at(t.offset, {out[0], 2 * entry, out[2], out[3]});
      const double x = double(out[3] * c.stride[1] - c.padding[1] + tap % kw * c.dilation[1]) +
                       testing::element_at(t.offset, {out[0], 2 * entry + 1, out[2], out[3]});
      const double factor = masked ? testing::element_at(t.mask, {out[0], entry, out[2], out[3]}) : 1.0;
      sum += factor * testing::element_at(t.weight, {out[1], i, tap / kw, tap % kw}) *
             bilinear(t.input, out[0], channel, y, x);
    }
  return sum;
}

TEST(DeformConv2d, MatchesTheDefinition) {
  for (const DeformCase& c : kCases) {
    const Operands t = operands_of(c, kFloat64), single = operands_of(c, kFloat32);
    for (const bool masked : {false, true}) {
      const Tensor output =
          deform_conv2d(t.input, t.offset, t.weight, t.bias, options_of(c), masked ? t.mask : Tensor());
      const Tensor rounded = deform_conv2d(t.input.to(kFloat32), t.offset.to(kFloat32), t.weight.to(kFloat32),
                                           t.bias.to(kFloat32), options_of(c), masked ? t.mask.to(kFloat32) : Tensor());
      ASSERT_EQ(output.shape(), (Shape{c.input[0], c.weight[0], c.output[0], c.output[1]})) << c.name;
      testing::for_each_index(output.shape(), [&](const std::vector<std::int64_t>& i) {
        const double expected = reference(c, t, masked, i);
        ASSERT_NEAR(testing::element_at(output, i), expected, 1e-11) << c.name;
        ASSERT_NEAR(testing::element_at(rounded, i), expected, 2e-4) << c.name;
      });
    }
  }
}

TEST(DeformConv2d, WithoutOffsetsIsConv2d) {
  const Tensor input = small_integers({2, 8, 7, 9}, 3), weight = small_integers({6, 8, 3, 3}, 5);
  const Tensor moved =
      deform_conv2d(input, Tensor::zeros({2, 18, 4, 5}), weight, {}, {.stride = {2, 2}, .padding = {1, 1}});
  EXPECT_TRUE(bit_equal(moved, conv2d(input, weight, {}, {.stride = {2, 2}, .padding = {1, 1}})));
}

TEST(DeformConv2d, ReadsZerosFarOutside) {
  const double inf = std::numeric_limits<double>::infinity();
  const Tensor offset =
      Tensor::of({inf, 0.0, -1e300, 0.0, 0.0, inf, 0.0, std::numeric_limits<double>::quiet_NaN()}, Shape{1, 2, 2, 2});
  const Tensor input = Tensor::full({1, 1, 2, 2}, 3.0, {.dtype = kFloat64});
  const Tensor weight = Tensor::ones({1, 1, 1, 1}, {.dtype = kFloat64});
  EXPECT_EQ(deform_conv2d(input, offset, weight).to_vector<double>(), (std::vector<double>{0, 0, 0, 0}));
}

TEST(DeformConv2d, GradientsAgreeWithDifferences) {
  for (const DeformCase& c : kCases) {
    if (c.name == "many_pixels") continue;
    Operands t = operands_of(c, kFloat64);
    for (Tensor* tensor : {&t.input, &t.offset, &t.weight, &t.bias, &t.mask}) tensor->requires_grad_();
    const auto masked = [&](const std::vector<Tensor>& x) {
      return std::vector<Tensor>{deform_conv2d(x[0], x[1], x[2], x[3], options_of(c), x[4])};
    };
    gradcheck(masked, {t.input, t.offset, t.weight, t.bias, t.mask});
    expect_no_leak(masked, {t.input, t.offset, t.weight, t.bias, t.mask}, {.create_graph = false});
    gradcheck(
        [&](const std::vector<Tensor>& x) {
          return std::vector<Tensor>{deform_conv2d(x[0], x[1], x[2], {}, options_of(c))};
        },
        {t.input, t.offset, t.weight});
  }
}

TEST(DeformConv2d, IsBitwiseTheSameForAnyNumberOfThreads) {
  for (int which = 0; which < 4; ++which) {
    testing::expect_same_for_any_threads([&] {
      const Operands t =
          operands_of({"", {2, 40, 21, 23}, {6, 20, 3, 3}, {1, 1}, {1, 1}, {1, 1}, 2, {21, 23}}, kFloat32);
      const Tensor inputs[] = {t.input, t.offset, t.weight, t.mask};
      for (Tensor input : inputs) input.requires_grad_();
      const Tensor output = deform_conv2d(t.input, t.offset, t.weight, t.bias, {.padding = {1, 1}}, t.mask);
      output.backward(output.detach());
      return inputs[which].grad();
    });
  }
}

TEST(DeformConv2d, SaysWhatDoesNotFit) {
  const Tensor input = Tensor::zeros({1, 4, 5, 5}), weight = Tensor::zeros({2, 4, 3, 3});
  expect_error(
      [&] {
        deform_conv2d(input, Tensor::zeros({1, 18, 5, 5}), weight);
      },
      "[deform_conv2d] expects offsets (1, 2 · g · 9, 3, 3) with g a divisor of 4 channels; got (1, 18, 5, 5)");
  expect_error(
      [&] {
        deform_conv2d(input, Tensor::zeros({1, 18, 3, 3}), weight, {}, {}, Tensor::zeros({1, 18, 3, 3}));
      },
      "[deform_conv2d] expects a mask (1, 9, 3, 3); got (1, 18, 3, 3)");
  expect_error(
      [&] {
        deform_conv2d(input, Tensor::zeros({1, 18, 3, 3}), weight, Tensor::zeros({3}));
      },
      "[deform_conv2d] expects a bias (2); got (3)");
}

}  // namespace
}  // namespace coppice
