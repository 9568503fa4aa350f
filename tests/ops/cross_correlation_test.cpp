#include <coppice/ops/cross_correlation.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using testing::small_integers;

struct CorrelateCase {
  Shape input, kernel;
};
// Results wider than two vectors, than one, than half of one, and narrower.
const CorrelateCase kCases[] = {{{1, 1, 1, 1}, {1, 1, 1, 1}},  {{2, 3, 9, 29}, {2, 3, 4, 4}},
                                {{1, 2, 8, 14}, {1, 2, 5, 3}}, {{2, 2, 7, 9}, {2, 2, 3, 4}},
                                {{1, 3, 6, 5}, {1, 3, 6, 3}},  {{1, 2, 22, 22}, {1, 2, 17, 17}},
                                {{0, 2, 5, 5}, {0, 2, 2, 2}}};

double correlated(const Tensor& x, const Tensor& k, std::int64_t n, std::int64_t channel, std::int64_t template_channel,
                  std::int64_t y, std::int64_t at) {
  double sum = 0.0;
  for (std::int64_t i = 0; i < k.size(2); ++i)
    for (std::int64_t j = 0; j < k.size(3); ++j) {
      sum += testing::element_at(x, {n, channel, y + i, at + j}) * testing::element_at(k, {n, template_channel, i, j});
    }
  return sum;
}

TEST(XcorrDepthwise, MatchesTheDefinitionExactly) {
  for (const CorrelateCase& c : kCases) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor x = small_integers(c.input, 3, dtype), k = small_integers(c.kernel, 5, dtype);
      const Tensor y = xcorr_depthwise(x, k);
      ASSERT_EQ(y.shape(), (Shape{c.input[0], c.input[1], c.input[2] - c.kernel[2] + 1, c.input[3] - c.kernel[3] + 1}));
      testing::for_each_index(y.shape(), [&](const std::vector<std::int64_t>& i) {
        ASSERT_EQ(testing::element_at(y, i), correlated(x, k, i[0], i[1], i[1], i[2], i[3])) << c.input;
      });
    }
  }
}

TEST(Xcorr, SumsChannelsExactly) {
  for (const std::int64_t outputs : {1, 3}) {
    const Tensor x = small_integers({2, 4, 9, 8}, 3), k = small_integers({2, 4 * outputs, 3, 2}, 5);
    const Tensor y = xcorr(x, k);
    ASSERT_EQ(y.shape(), (Shape{2, outputs, 7, 7}));
    testing::for_each_index(y.shape(), [&](const std::vector<std::int64_t>& i) {
      double sum = 0.0;
      for (std::int64_t c = 0; c < 4; ++c) sum += correlated(x, k, i[0], c, i[1] * 4 + c, i[2], i[3]);
      ASSERT_EQ(testing::element_at(y, i), sum);
    });
  }
  EXPECT_EQ(xcorr(Tensor::zeros({0, 2, 5, 5}), Tensor::zeros({0, 2, 3, 3})).shape(), (Shape{0, 1, 3, 3}));
}

TEST(Xcorr, GradientsAgreeWithDifferences) {
  testing::check_gradients([](const std::vector<Tensor>& x) { return xcorr_depthwise(x[0], x[1]); },
                           {leaf({1, 2, 6, 7}, 3), leaf({1, 2, 3, 2}, 5)});
  testing::check_gradients([](const std::vector<Tensor>& x) { return xcorr(x[0], x[1]); },
                           {leaf({2, 2, 4, 5}, 3), leaf({2, 4, 2, 3}, 5)});
}

TEST(Xcorr, IsBitwiseTheSameForAnyNumberOfThreads) {
  for (const bool by_kernel : {false, true}) {
    testing::expect_same_for_any_threads([&] {
      const Tensor x = normal({3, 7, 25, 29}, 3).requires_grad_(), k = normal({3, 7, 5, 7}, 5).requires_grad_();
      const Tensor y = xcorr_depthwise(x, k);
      y.backward(y.detach());
      return by_kernel ? k.grad() : x.grad();
    });
  }
}

TEST(Xcorr, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        xcorr_depthwise(Tensor::zeros({1, 2, 3, 3}), Tensor::zeros({1, 2, 4, 3}));
      },
      "[xcorr_depthwise] expects images (n, c, h, w) and templates of their batch that fit into them; got (1, 2, "
      "3, 3) and (1, 2, 4, 3)");
  expect_error(
      [] {
        xcorr_depthwise(Tensor::zeros({1, 2, 3, 3}), Tensor::zeros({1, 3, 2, 2}));
      },
      "[xcorr_depthwise] expects as many channels in both; got (1, 2, 3, 3) and (1, 3, 2, 2)");
  expect_error(
      [] {
        xcorr(Tensor::zeros({1, 2, 3, 3}), Tensor::zeros({1, 3, 2, 2}));
      },
      "[xcorr] expects templates (n, o · c, kh, kw) for images (n, c, h, w); got (1, 3, 2, 2) and (1, 2, 3, 3)");
}

}  // namespace
}  // namespace coppice
