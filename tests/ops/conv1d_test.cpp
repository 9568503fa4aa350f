#include <gtest/gtest.h>

#include <coppice/ops/conv1d.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::expect_same_for_any_threads;
using testing::leaf;
using testing::normal;
using testing::small_integers;

TEST(Conv1d, SumsByDefinition) {
  for (const auto& [stride, padding, dilation, groups] :
       {std::array{1, 0, 1, 1}, std::array{2, 1, 1, 2}, std::array{1, 3, 2, 1}, std::array{3, 2, 2, 4}}) {
    const Tensor x = small_integers({2, 4, 11}, 1), w = small_integers({8, 4 / groups, 3}, 2);
    const Tensor b = small_integers({8}, 3);
    const Tensor y = conv1d(x, w, b, {.stride = stride, .padding = padding, .dilation = dilation, .groups = groups});
    ASSERT_EQ(y.shape(), (Shape{2, 8, (11 + 2 * padding - 2 * dilation - 1) / stride + 1}));
    const std::int64_t depth = 4 / groups, per_group = 8 / groups;
    testing::for_each_index(y.shape(), [&](const std::vector<std::int64_t>& i) {
      double expected = element_at(b, {i[1]});
      for (std::int64_t c = 0; c < depth; ++c) {
        for (std::int64_t k = 0; k < 3; ++k) {
          const std::int64_t at = i[2] * stride - padding + k * dilation;
          if (at < 0 || at >= 11) continue;
          expected += element_at(x, {i[0], i[1] / per_group * depth + c, at}) * element_at(w, {i[1], c, k});
        }
      }
      EXPECT_EQ(element_at(y, i), expected);
    });
  }
  EXPECT_EQ(conv1d(Tensor::zeros({0, 2, 5}), Tensor::zeros({3, 2, 5})).shape(), (Shape{0, 3, 1}));
}

TEST(Conv1d, HasGradients) {
  check_gradients([](const std::vector<Tensor>& x) { return conv1d(x[0], x[1], x[2], {.stride = 2, .padding = 1}); },
                  {leaf({2, 2, 5}, 1), leaf({2, 2, 3}, 2), leaf({2}, 3)});
}

TEST(Conv1d, IsTheSameForAnyThreads) {
  const Tensor x = normal({5, 8, 301}, 1), w = normal({16, 8, 5}, 2);
  expect_same_for_any_threads([&] { return conv1d(x, w, {}, {.padding = 2}); });
}

TEST(Conv1d, NamesBothShapes) {
  const std::string message = error_of([] { conv1d(Tensor::zeros({2, 3}), Tensor::zeros({4, 3, 1})); });
  EXPECT_NE(message.find("[conv1d]"), std::string::npos);
  EXPECT_NE(message.find("(2, 3) and (4, 3, 1)"), std::string::npos);
}

}  // namespace
}  // namespace coppice
