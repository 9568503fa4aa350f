#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/similarity.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::element_at;
using testing::expect_same_for_any_threads;
using testing::leaf;
using testing::normal;

TEST(CosineSimilarity, IsTheCosineOfTheAngle) {
  const Tensor a = normal({3, 5, 2}, 1, kFloat64), b = normal({1, 5, 2}, 2, kFloat64);
  const Tensor y = cosine_similarity(a, b);
  ASSERT_EQ(y.shape(), (Shape{3, 2}));
  for (std::int64_t i = 0; i < 3; ++i) {
    for (std::int64_t j = 0; j < 2; ++j) {
      double product = 0, of_a = 0, of_b = 0;
      for (std::int64_t k = 0; k < 5; ++k) {
        const double u = element_at(a, {i, k, j}), v = element_at(b, {0, k, j});
        product += u * v;
        of_a += u * u;
        of_b += v * v;
      }
      EXPECT_NEAR(element_at(y, {i, j}), product / std::sqrt(of_a * of_b), 1e-14);
    }
  }
  const Tensor zero = Tensor::zeros({2, 3}), one = Tensor::ones({2, 3});
  EXPECT_TRUE(bit_equal(cosine_similarity(zero, one, -1), Tensor::zeros({2})));
  EXPECT_EQ(cosine_similarity(one.slice(0, 0, 0), one.slice(0, 0, 0)).shape(), (Shape{0}));
  const Tensor half = Tensor::full({2, 3}, 0.5, {.dtype = kFloat64}), unit = Tensor::ones({2, 3}, {.dtype = kFloat64});
  EXPECT_DOUBLE_EQ(cosine_similarity(half, unit, 1, 4.0).to_vector<double>()[0], 1.5 / 16.0);
}

TEST(Normalize, DividesByTheNorm) {
  const Tensor x = Tensor::of<double>({3, 4, 0, 0, -5, 12}, Shape{3, 2});
  EXPECT_TRUE(bit_equal(normalize(x), Tensor::of<double>({3.0 / 5, 4.0 / 5, 0, 0, -5.0 / 13, 12.0 / 13}, Shape{3, 2})));
  EXPECT_TRUE(
      bit_equal(normalize(x, 1, -1), Tensor::of<double>({3.0 / 7, 4.0 / 7, 0, 0, -5.0 / 17, 12.0 / 17}, Shape{3, 2})));
  EXPECT_TRUE(bit_equal(normalize(x, 2, 1, 20), x / 20.0));
}

TEST(Normalize, HasGradients) {
  check_gradients([](const std::vector<Tensor>& x) { return cosine_similarity(x[0], x[1]); },
                  {leaf({2, 3, 2}, 1), leaf({2, 3, 1}, 2)});
  check_gradients([](const std::vector<Tensor>& x) { return normalize(x[0]); }, {leaf({2, 3, 2}, 1)});
  check_gradients([](const std::vector<Tensor>& x) { return normalize(x[0], 3, 0); }, {leaf({3, 2}, 1)});
}

TEST(Normalize, IsTheSameForAnyThreads) {
  const Tensor a = normal({40, 300, 9}, 1), b = normal({40, 300, 9}, 2);
  expect_same_for_any_threads([&] { return cosine_similarity(a, b); });
  expect_same_for_any_threads([&] { return normalize(a); });
}

TEST(Normalize, NamesWhatDoesNotFit) {
  const Tensor a = Tensor::zeros({2, 3}), b = Tensor::zeros({2, 4});
  const std::string message = error_of([&] { cosine_similarity(a, b); });
  EXPECT_NE(message.find("[cosine_similarity]"), std::string::npos);
  EXPECT_NE(message.find("(2, 3)"), std::string::npos);
  EXPECT_NE(message.find("(2, 4)"), std::string::npos);
  EXPECT_NE(error_of([&] { cosine_similarity(a, a, 2); }).find("expects a dimension of (2, 3); got 2"),
            std::string::npos);
  EXPECT_NE(error_of([&] { normalize(a.to(kInt64)); }).find("floating dtype"), std::string::npos);
  EXPECT_NE(error_of([&] { normalize(a, 2, -3); }).find("got -3"), std::string::npos);
}

}  // namespace
}  // namespace coppice
