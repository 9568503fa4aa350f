#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/optim/clip.h>

#include "optim_support.h"
#include "tests/error_of.h"

namespace coppice::optim {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor with_gradient(const std::vector<double>& gradient, DType dtype = kFloat64) {
  const Tensor param = Tensor::zeros({static_cast<std::int64_t>(gradient.size())}, {.dtype = dtype}).requires_grad_();
  param.set_grad(Tensor::of(gradient).to(dtype));
  return param;
}

TEST(ClipGradNorm, ScalesAllGradientsTogether) {
  const std::vector<Tensor> params = {with_gradient({3, 0}), with_gradient({-4}), Tensor::ones({2}).requires_grad_()};
  EXPECT_DOUBLE_EQ(clip_grad_norm_(params, 1.0), 5.0);
  EXPECT_NEAR(params[0].grad().to_vector<double>()[0], 3.0 / (5.0 + 1e-6), 1e-15);
  EXPECT_NEAR(params[1].grad().to_vector<double>()[0], -4.0 / (5.0 + 1e-6), 1e-15);
  EXPECT_FALSE(params[2].grad().defined());
  EXPECT_NEAR(clip_grad_norm_(params, 10.0), 1.0, 1e-6);
  EXPECT_NEAR(params[1].grad().to_vector<double>()[0], -4.0 / (5.0 + 1e-6), 1e-15);
}

TEST(ClipGradNorm, TakesOtherNorms) {
  EXPECT_DOUBLE_EQ(clip_grad_norm_({with_gradient({3, -4})}, 100.0, {.norm_type = 1.0}), 7.0);
  EXPECT_DOUBLE_EQ(clip_grad_norm_({with_gradient({3, -4}), with_gradient({2})}, 100.0, {.norm_type = kInfinity}), 4.0);
  EXPECT_DOUBLE_EQ(clip_grad_norm_({}, 1.0), 0.0);
}

TEST(ClipGradNorm, NaNIsSeenInEveryNorm) {
  for (const double p : {1.0, 2.0, kInfinity}) {
    EXPECT_TRUE(
        std::isnan(clip_grad_norm_({with_gradient({1, std::nan("")}), with_gradient({2})}, 1.0, {.norm_type = p})));
  }
  EXPECT_NE(error_of([] { clip_grad_norm_({with_gradient({kInfinity})}, 1.0, {.error_if_nonfinite = true}); }), "");
}

TEST(ClipGradNorm, DoesNotDependOnTheNumberOfThreads) {
  Generator generator(5);
  const Tensor gradient = Tensor::randn({100003}, generator);
  std::vector<double> norms;
  const int before = num_threads();
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    const Tensor param = Tensor::zeros({100003}).requires_grad_();
    param.set_grad(gradient.clone());
    norms.push_back(clip_grad_norm_({param}, 1.0));
  }
  set_num_threads(before);
  EXPECT_EQ(norms[0], norms[1]);
  EXPECT_EQ(norms[0], norms[2]);
  double sum = 0.0;
  for (const float g : gradient.to_vector<float>()) sum += static_cast<double>(g) * static_cast<double>(g);
  EXPECT_NEAR(norms[0], std::sqrt(sum), 1e-9 * norms[0]);
}

TEST(ClipGradNorm, ScalesPackedGradients) {
  Generator generator(6);
  const Mask alive = Mask::random({8, 8}, 10, generator);
  const Tensor weight = Tensor::masked(Tensor::ones({8, 8}), alive).requires_grad_();
  weight.set_grad(Tensor::full({10}, 2.0));
  EXPECT_NEAR(clip_grad_norm_({weight}, 1.0), std::sqrt(40.0), 1e-12);
  EXPECT_NEAR(weight.grad().to_vector<float>()[3], 2.0 / std::sqrt(40.0), 1e-6);
}

TEST(ClipGradValue, BoundsEveryElement) {
  const Tensor param = with_gradient({-3, 0.5, 7, std::nan("")}, kFloat32);
  clip_grad_value_({param}, 2.0);
  const std::vector<float> clipped = param.grad().to_vector<float>();
  EXPECT_EQ(clipped[0], -2.0F);
  EXPECT_EQ(clipped[1], 0.5F);
  EXPECT_EQ(clipped[2], 2.0F);
  EXPECT_TRUE(std::isnan(clipped[3]));
  EXPECT_NE(error_of([&] { clip_grad_value_({param}, -1.0); }), "");
}

}  // namespace
}  // namespace coppice::optim
