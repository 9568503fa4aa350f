#include <coppice/ops/pyramid_pool.h>

#include <coppice/ops/pool2d.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::small_integers;

TEST(PyramidPool, IsSeveralAdaptiveMeans) {
  const std::vector<std::int64_t> sizes = {1, 2, 3, 6};
  for (const Shape& shape :
       {Shape{2, 3, 12, 18}, Shape{1, 2, 7, 11}, Shape{1, 1, 1, 1}, Shape{1, 1, 4, 61}, Shape{0, 2, 5, 5}}) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor input = small_integers(shape, 3, dtype);
      const std::vector<Tensor> pools = pyramid_pool(input, sizes);
      ASSERT_EQ(pools.size(), sizes.size());
      for (std::size_t i = 0; i < sizes.size(); ++i) {
        EXPECT_TRUE(bit_equal(pools[i], adaptive_avg_pool2d(input, {sizes[i], sizes[i]}))) << shape << ' ' << sizes[i];
      }
    }
  }
  EXPECT_TRUE(pyramid_pool(Tensor::zeros({1, 1, 2, 2}), {}).empty());
}

TEST(PyramidPool, GradientsAgreeWithDifferences) {
  const auto all = [](const std::vector<Tensor>& x) { return pyramid_pool(x[0], {1, 2, 3}); };
  gradcheck(all, {leaf({1, 2, 5, 7}, 3)}, {.double_backward = true});
  expect_no_leak(all, {leaf({1, 2, 5, 7}, 3)});
  testing::check_gradients(
      [](const std::vector<Tensor>& x) {
        return pyramid_pool(x[0], {1, 3})[1];
      },
      {leaf({1, 2, 4, 5}, 3)});
}

TEST(PyramidPool, IsBitwiseTheSameForAnyNumberOfThreads) {
  testing::expect_same_for_any_threads([] {
    const Tensor x = testing::normal({2, 9, 31, 33}, 3).requires_grad_();
    const Tensor y = pyramid_pool(x, {2, 5})[1];
    y.backward(y.detach());
    return x.grad();
  });
}

TEST(PyramidPool, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        pyramid_pool(Tensor::zeros({1, 2, 3}), {1});
      },
      "[pyramid_pool] expects a floating input (n, c, h, w) of at least one pixel; got float32 (1, 2, 3)");
  expect_error(
      [] {
        pyramid_pool(Tensor::zeros({1, 2, 3, 3}), {1, 0});
      },
      "[pyramid_pool] expects sizes of at least 1; got 0");
}

}  // namespace
}  // namespace coppice
