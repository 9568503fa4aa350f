#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

TEST(Relu, KeepsWhatIsPositive) {
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
    for (const std::int64_t size : {0, 1, 31, 70001}) {
      const Tensor x = testing::small_integers({size}, 3, dtype);
      EXPECT_TRUE(bit_equal(relu(x), where(x > 0, x, 0))) << dtype << ' ' << size;
    }
  }
  const Tensor x = testing::normal({5, 6}, 1);
  EXPECT_TRUE(bit_equal(relu(x.t()), relu(x).t().contiguous()));
  EXPECT_TRUE(std::isnan(relu(Tensor::full({}, std::numeric_limits<double>::quiet_NaN())).item<float>()));
}

TEST(Relu, GradientIsZeroAtZero) {
  const Tensor x = Tensor::of({-1.0, -0.0, 0.0, 2.0}, {}, {.requires_grad = true});
  backward({relu(x)}, {Tensor::full({4}, 5.0, {.dtype = kFloat64})});
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0, 0, 5}));
}

TEST(Relu, GradientsOfFirstAndSecondOrder) {
  const Tensor x = testing::leaf({4, 5}, 2);
  testing::check_gradients([](auto& v) { return relu(v[0]) * v[0]; }, {x});
  testing::check_gradients([](auto& v) { return relu(v[0] * v[0] * v[0]); }, {x});
}

}  // namespace
}  // namespace coppice
