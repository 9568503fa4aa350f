#include <coppice/ops/local_correlation.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;
using testing::small_integers;

struct LocalCase {
  Shape shape;
  std::int64_t max_displacement, step, side;  ///< side worked out by hand
};
const LocalCase kCases[] = {{{1, 1, 1, 1}, 0, 1, 1},  {{2, 4, 5, 9}, 1, 1, 3},   {{1, 8, 6, 17}, 4, 1, 9},
                            {{1, 2, 7, 30}, 7, 3, 5}, {{1, 4, 3, 4}, 10, 1, 21}, {{0, 2, 3, 3}, 2, 1, 5}};

TEST(LocalCorrelation, MatchesTheDefinitionExactly) {
  for (const LocalCase& c : kCases) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor a = small_integers(c.shape, 3, dtype), b = small_integers(c.shape, 5, dtype);
      const Tensor output = local_correlation(a, b, {.max_displacement = c.max_displacement, .step = c.step});
      ASSERT_EQ(output.shape(), (Shape{c.shape[0], c.side * c.side, c.shape[2], c.shape[3]}));
      testing::for_each_index(output.shape(), [&](const std::vector<std::int64_t>& i) {
        const std::int64_t y = i[2] + (i[1] / c.side - c.side / 2) * c.step;
        const std::int64_t x = i[3] + (i[1] % c.side - c.side / 2) * c.step;
        double sum = 0.0;
        for (std::int64_t k = 0; k < c.shape[1]; ++k) {
          if (y < 0 || y >= c.shape[2] || x < 0 || x >= c.shape[3]) break;
          sum += testing::element_at(a, {i[0], k, i[2], i[3]}) * testing::element_at(b, {i[0], k, y, x});
        }
        ASSERT_EQ(testing::element_at(output, i), sum / double(c.shape[1])) << c.shape;  // channels are powers of 2
      });
    }
  }
}

TEST(LocalCorrelation, GradientsAgreeWithDifferences) {
  for (const LocalCorrelationOptions& o : {LocalCorrelationOptions{1, 1}, LocalCorrelationOptions{4, 2}}) {
    testing::check_gradients([&](const std::vector<Tensor>& x) { return local_correlation(x[0], x[1], o); },
                             {leaf({1, 5, 3, 4}, 3), leaf({1, 5, 3, 4}, 5)});
  }
}

TEST(LocalCorrelation, IsBitwiseTheSameForAnyNumberOfThreads) {
  for (const bool second : {false, true}) {
    testing::expect_same_for_any_threads([&] {
      const Tensor a = normal({2, 6, 13, 19}, 3).requires_grad_(), b = normal({2, 6, 13, 19}, 5).requires_grad_();
      const Tensor y = local_correlation(a, b);
      y.backward(y.detach());
      return second ? b.grad() : a.grad();
    });
  }
}

TEST(LocalCorrelation, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        local_correlation(Tensor::zeros({1, 2, 3, 3}), Tensor::zeros({1, 2, 3, 4}));
      },
      "[local_correlation] expects two feature maps of one shape (n, c, h, w); got (1, 2, 3, 3) and (1, 2, 3, 4)");
  expect_error(
      [] {
        local_correlation(Tensor::zeros({1, 2, 3, 3}), Tensor::zeros({1, 2, 3, 3}), {.step = 0});
      },
      "[local_correlation] expects a step of at least 1 and a displacement of at least 0; got 0 and 4");
}

}  // namespace
}  // namespace coppice
