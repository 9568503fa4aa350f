#include <gtest/gtest.h>

#include <coppice/ops/conv2d.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/unfold.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::counted;
using testing::element_at;
using testing::expect_elements;
using testing::Index;
using testing::leaf;
using testing::small_integers;

struct UnfoldCase {
  std::array<std::int64_t, 2> size, kernel;
  UnfoldOptions options;
  std::array<std::int64_t, 2> windows;
};

const std::vector<UnfoldCase>& unfold_cases() {
  static const std::vector<UnfoldCase> cases{
      {{5, 6}, {3, 3}, {}, {3, 4}},
      {{5, 6}, {2, 3}, {.padding = {1, 2}}, {6, 8}},
      {{7, 5}, {3, 2}, {.dilation = {2, 3}, .padding = {1, 1}, .stride = {2, 1}}, {3, 4}},
      {{4, 9}, {1, 4}, {.dilation = {1, 2}, .padding = {0, 3}, .stride = {3, 2}}, {2, 5}},
      {{1, 1}, {3, 3}, {.padding = {4, 4}, .stride = {3, 5}}, {3, 2}},
      {{2, 2}, {2, 2}, {.stride = {5, 5}}, {1, 1}}};
  return cases;
}

/// Calls visit(row of the columns, window, y, x) for all taps that fall into the image, of one channel.
template <class Visit>
void for_each_tap(const UnfoldCase& c, Visit visit) {
  const UnfoldOptions& o = c.options;
  testing::for_each_index({c.kernel[0], c.kernel[1], c.windows[0], c.windows[1]}, [&](const Index& i) {
    const std::int64_t y = i[2] * o.stride[0] - o.padding[0] + i[0] * o.dilation[0];
    const std::int64_t x = i[3] * o.stride[1] - o.padding[1] + i[1] * o.dilation[1];
    if (y < 0 || y >= c.size[0] || x < 0 || x >= c.size[1]) return;
    visit(i[0] * c.kernel[1] + i[1], i[2] * c.windows[1] + i[3], y, x);
  });
}

TEST(Unfold, MatchesPlainLoops) {
  for (const UnfoldCase& c : unfold_cases()) {
    const Tensor images = small_integers({2, 3, c.size[0], c.size[1]}, 1);
    const std::int64_t taps = c.kernel[0] * c.kernel[1];
    const std::int64_t windows = c.windows[0] * c.windows[1];
    std::vector<double> expected(static_cast<std::size_t>(2 * 3 * taps * windows), 0.0);
    for (std::int64_t plane = 0; plane < 6; ++plane) {
      for_each_tap(c, [&](std::int64_t tap, std::int64_t window, std::int64_t y, std::int64_t x) {
        expected[static_cast<std::size_t>((plane * taps + tap) * windows + window)] =
            element_at(images, {plane / 3, plane % 3, y, x});
      });
    }
    const Tensor columns = unfold(images, c.kernel, c.options);
    EXPECT_EQ(columns.shape(), (Shape{2, 3 * taps, windows}));
    EXPECT_EQ(columns.to_vector<double>(), expected);
    EXPECT_TRUE(bit_equal(unfold(images.select(0, 1), c.kernel, c.options), columns.select(0, 1)));
    EXPECT_TRUE(bit_equal(unfold(images.to(MemoryFormat::Blocked), c.kernel, c.options), columns));
    EXPECT_TRUE(bit_equal(unfold(images.permute({0, 1, 3, 2}).contiguous().permute({0, 1, 3, 2}), c.kernel, c.options),
                          columns));
  }
}

TEST(Fold, MatchesPlainLoops) {
  for (const UnfoldCase& c : unfold_cases()) {
    const std::int64_t taps = c.kernel[0] * c.kernel[1];
    const Tensor columns = small_integers({2, 3 * taps, c.windows[0] * c.windows[1]}, 2);
    std::vector<double> expected(static_cast<std::size_t>(6 * c.size[0] * c.size[1]), 0.0);
    for (std::int64_t plane = 0; plane < 6; ++plane) {
      for_each_tap(c, [&](std::int64_t tap, std::int64_t window, std::int64_t y, std::int64_t x) {
        expected[static_cast<std::size_t>((plane * c.size[0] + y) * c.size[1] + x)] +=
            element_at(columns, {plane / 3, plane % 3 * taps + tap, window});
      });
    }
    const Tensor images = fold(columns, c.size, c.kernel, c.options);
    EXPECT_EQ(images.shape(), (Shape{2, 3, c.size[0], c.size[1]}));
    EXPECT_EQ(images.to_vector<double>(), expected);
    EXPECT_TRUE(bit_equal(fold(columns.select(0, 1), c.size, c.kernel, c.options), images.select(0, 1)));
  }
}

TEST(Unfold, GivesAConvolutionAsAProduct) {
  const Tensor images = small_integers({2, 3, 6, 5}, 3);
  const Tensor filters = small_integers({4, 3, 3, 2}, 4);
  const Tensor columns = unfold(images, {3, 2}, {.padding = {1, 0}, .stride = {2, 1}});
  const Tensor expected = conv2d(images, filters, {}, {.stride = {2, 1}, .padding = {1, 0}});
  for (std::int64_t n = 0; n < 2; ++n) {
    const Tensor product = matmul(filters.reshape({4, 18}), columns.select(0, n).contiguous());
    EXPECT_TRUE(bit_equal(product.reshape({4, 3, 4}), expected.select(0, n)));
  }
}

TEST(Unfold, OfNothing) {
  EXPECT_EQ(unfold(Tensor::empty({0, 2, 3, 3}), {2, 2}).shape(), (Shape{0, 8, 4}));
  EXPECT_EQ(fold(Tensor::empty({0, 8, 4}), {3, 3}, {2, 2}).shape(), (Shape{0, 2, 3, 3}));
}

TEST(Unfold, GradientsOfFirstAndSecondOrder) {
  for (const UnfoldCase& c : unfold_cases()) {
    const Tensor images = leaf({1, 2, c.size[0], c.size[1]}, 5);
    check_gradients([&](auto& v) { return pow(unfold(v[0], c.kernel, c.options), 2.0); }, {images});
    const Tensor columns = leaf({1, 2 * c.kernel[0] * c.kernel[1], c.windows[0] * c.windows[1]}, 6);
    check_gradients([&](auto& v) { return pow(fold(v[0], c.size, c.kernel, c.options), 2.0); }, {columns});
  }
}

TEST(Fold, IsTheSameForAnyNumberOfThreads) {
  const Tensor columns = testing::normal({4, 16 * 9, 30 * 30}, 7);
  testing::expect_same_for_any_threads([&] { return fold(columns, {30, 30}, {3, 3}, {.padding = {1, 1}}); });
}

TEST(Unfold, ErrorsNameShapes) {
  const Tensor x = counted({1, 2, 3, 3});
  EXPECT_EQ(error_of([&] {
              return unfold(x, {4, 1});
            }),
            "[unfold] windows must fit the padded image; got kernel (4, 1), dilation (1, 1), padding (0, 0) for images "
            "(3, 3)");
  EXPECT_EQ(error_of([&] {
              return fold(counted({8, 5}), {3, 3}, {2, 2});
            }),
            "[fold] expects (…, c · 4, 4) for images (3, 3) and kernel (2, 2); got (8, 5)");
  EXPECT_NE(error_of([&] {
              return unfold(x, {2, 2}, {.stride = {0, 1}});
            }).find("[unfold] expects a positive kernel"),
            std::string::npos);
  EXPECT_NE(error_of([&] {
              return unfold(x.to(kInt32), {2, 2});
            }).find("[unfold] expects float32 or float64"),
            std::string::npos);
}

}  // namespace
}  // namespace coppice
