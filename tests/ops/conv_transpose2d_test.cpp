#include <gtest/gtest.h>

#include <coppice/ops/conv_transpose2d.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::expect_same_for_any_threads;
using testing::leaf;
using testing::normal;
using testing::small_integers;

struct Case {
  ConvTranspose2dOptions options;
  Shape input, weight;
};

std::vector<Case> cases() {
  return {{{}, {2, 3, 4, 5}, {3, 2, 3, 3}},
          {{.stride = {2, 2}, .padding = {1, 1}, .output_padding = {1, 1}}, {2, 4, 3, 3}, {4, 3, 3, 3}},
          {{.stride = {2, 3}, .padding = {0, 2}, .output_padding = {1, 0}}, {1, 2, 3, 4}, {2, 2, 2, 5}},
          {{.stride = {2, 1}, .dilation = {1, 2}, .groups = 2}, {2, 4, 3, 6}, {4, 3, 3, 2}},
          {{.padding = {2, 2}}, {1, 1, 5, 5}, {1, 1, 3, 3}},
          {{}, {9, 2, 1, 1}, {2, 1, 1, 1}}};
}

/// Every input pixel adds its value times the kernel to the output.
std::vector<double> scattered(const Case& c, const Tensor& x, const Tensor& w, const Tensor& b, const Shape& shape) {
  const ConvTranspose2dOptions& o = c.options;
  std::vector<double> sums(static_cast<std::size_t>(shape.numel()));
  const auto at = [&](std::int64_t n, std::int64_t m, std::int64_t y, std::int64_t column) -> double& {
    return sums[static_cast<std::size_t>(((n * shape[1] + m) * shape[2] + y) * shape[3] + column)];
  };
  testing::for_each_index(
      shape, [&](const std::vector<std::int64_t>& i) { at(i[0], i[1], i[2], i[3]) = element_at(b, {i[1]}); });
  const std::int64_t inputs = c.input[1] / o.groups;
  testing::for_each_index(c.input, [&](const std::vector<std::int64_t>& i) {
    testing::for_each_index({c.weight[1], c.weight[2], c.weight[3]}, [&](const std::vector<std::int64_t>& k) {
      const std::int64_t y = i[2] * o.stride[0] - o.padding[0] + k[1] * o.dilation[0];
      const std::int64_t column = i[3] * o.stride[1] - o.padding[1] + k[2] * o.dilation[1];
      if (y < 0 || y >= shape[2] || column < 0 || column >= shape[3]) return;
      at(i[0], i[1] / inputs * c.weight[1] + k[0], y, column) +=
          element_at(x, i) * element_at(w, {i[1], k[0], k[1], k[2]});
    });
  });
  return sums;
}

TEST(ConvTranspose2d, ScattersByDefinitionInBothFormats) {
  for (const Case& c : cases()) {
    const Tensor x = small_integers(c.input, 1), w = small_integers(c.weight, 2);
    const Tensor b = small_integers({c.weight[1] * c.options.groups}, 3);
    const Tensor y = conv_transpose2d(x, w, b, c.options);
    for (int d : {2, 3}) {
      const auto axis = static_cast<std::size_t>(d - 2);
      EXPECT_EQ(y.size(d), (c.input[d] - 1) * c.options.stride[axis] - 2 * c.options.padding[axis] +
                               c.options.dilation[axis] * (c.weight[d] - 1) + c.options.output_padding[axis] + 1);
    }
    const std::vector<double> expected = scattered(c, x, w, b, y.shape());
    EXPECT_EQ(y.to(kFloat64).to_vector<double>(), expected) << c.input;
    const Tensor blocked = conv_transpose2d(x.to(MemoryFormat::Blocked), w, b, c.options);
    EXPECT_EQ(blocked.contiguous().to(kFloat64).to_vector<double>(), expected) << c.input;
  }
}

TEST(ConvTranspose2d, CanBeDifferentiatedTwice) {
  check_gradients(
      [](const std::vector<Tensor>& x) {
        return conv_transpose2d(x[0], x[1], x[2], {.stride = {2, 1}, .padding = {1, 0}, .output_padding = {1, 0}});
      },
      {leaf({2, 2, 3, 2}, 1), leaf({2, 2, 3, 2}, 2), leaf({2}, 3)});
}

TEST(ConvTranspose2d, IsTheSameForAnyThreads) {
  const Tensor x = normal({3, 16, 17, 19}, 1), w = normal({16, 8, 3, 3}, 2);
  expect_same_for_any_threads([&] { return conv_transpose2d(x, w, {}, {.stride = {2, 2}, .padding = {1, 1}}); });
}

TEST(ConvTranspose2d, SaysWhatDoesNotFit) {
  const auto error = [](const Shape& x, const Shape& w, const ConvTranspose2dOptions& options = {}) {
    return error_of([&] { conv_transpose2d(Tensor::zeros(x), Tensor::zeros(w), {}, options); });
  };
  EXPECT_EQ(
      error({2, 3, 4}, {3, 2, 3, 3}),
      "[conv_transpose2d] expects input (n, c, h, w) and weight (c, m / groups, kh, kw); got (2, 3, 4) and (3, 2, "
      "3, 3)");
  EXPECT_EQ(
      error({2, 3, 4, 4}, {2, 3, 3, 3}),
      "[conv_transpose2d] input has 3 channels but weight expects 2 (groups=1): input (2, 3, 4, 4), weight (2, 3, "
      "3, 3)");
  EXPECT_EQ(error({1, 1, 4, 4}, {1, 1, 3, 3}, {.stride = {2, 2}, .output_padding = {2, 0}}),
            "[conv_transpose2d] expects an output padding below the stride (2, 2); got (2, 0)");
  EXPECT_EQ(error({1, 1, 1, 1}, {1, 1, 1, 1}, {.padding = {1, 0}}),
            "[conv_transpose2d] the output would be (-1, 1) pixels: input (1, 1, 1, 1), weight (1, 1, 1, 1)");
}

}  // namespace
}  // namespace coppice
