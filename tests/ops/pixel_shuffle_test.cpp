#include <coppice/ops/pixel_shuffle.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

TEST(PixelShuffle, MatchesTheDefinition) {
  for (const Shape& shape : {Shape{2, 12, 3, 5}, Shape{4, 1, 1}, Shape{2, 3, 8, 2, 3}, Shape{0, 4, 2, 2}}) {
    const Tensor input = testing::normal(shape, 3);
    const Tensor output = pixel_shuffle(input, 2);
    ASSERT_EQ(output.size(-3), shape[-3] / 4);
    ASSERT_EQ(output.size(-1), shape[-1] * 2);
    testing::for_each_index(output.shape(), [&](std::vector<std::int64_t> at) {
      const double actual = testing::element_at(output, at);
      const std::size_t c = at.size() - 3, y = c + 1, x = c + 2;
      at[c] = at[c] * 4 + at[y] % 2 * 2 + at[x] % 2;
      at[y] /= 2;
      at[x] /= 2;
      EXPECT_EQ(actual, testing::element_at(input, at));
    });
    EXPECT_TRUE(bit_equal(pixel_unshuffle(output, 2), input));
  }
}

TEST(PixelShuffle, GradientsAgreeWithDifferences) {
  testing::check_gradients([](const std::vector<Tensor>& x) { return pixel_shuffle(x[0], 2); },
                           {testing::leaf({1, 8, 2, 3}, 5)});
  testing::check_gradients([](const std::vector<Tensor>& x) { return pixel_unshuffle(x[0], 2); },
                           {testing::leaf({1, 2, 4, 6}, 5)});
}

TEST(PixelShuffle, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        pixel_shuffle(Tensor::zeros({1, 6, 2, 2}), 2);
      },
      "[pixel_shuffle] expects (…, c · 2², h, w) and a factor of at least 1; got (1, 6, 2, 2)");
  expect_error(
      [] {
        pixel_unshuffle(Tensor::zeros({1, 6, 3, 2}), 2);
      },
      "[pixel_unshuffle] expects (…, c, h · 2, w · 2) and a factor of at least 1; got (1, 6, 3, 2)");
}

}  // namespace
}  // namespace coppice
