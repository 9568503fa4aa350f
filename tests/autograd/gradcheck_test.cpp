#include <coppice/autograd/gradcheck.h>

#include <gtest/gtest.h>

#include <coppice/core/weight_state.h>

#include "tests/autograd/test_ops.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using namespace test_ops;
using Tensors = std::vector<Tensor>;

/// x², with a gradient of `factor`·x.
Tensor square(const Tensor& x, double factor) {
  return record("square", times(x, x).detach(), {x}, {x}, [factor](const Saved& saved, const Tensor& d) {
    return times(times(d, saved[0]), Tensor::full(d.shape(), factor, {.dtype = kFloat64}));
  });
}

TEST(Gradcheck, AcceptsARightGradient) {
  gradcheck(
      [](const Tensors& in) {
        return Tensors{square(in[0], 2), total(exponential(in[0]))};
      },
      {leaf({1, -2, 3})}, {.double_backward = true});
}

TEST(Gradcheck, NamesAWrongElement) {
  EXPECT_EQ(error_of([] {
              gradcheck([](const Tensors& in) { return Tensors{plus(in[0], square(in[1], 1.9999))}; },
                        {leaf({1, 2}), leaf({0, 3})});
            }).substr(0, 60),
            "[gradcheck] first derivative for input 1 (2) at element 1: b");
}

TEST(Gradcheck, CatchesAMissingGradient) {
  const auto forgets = [](const Tensors& in) {
    return Tensors{record("forgets", times(in[0], in[1]).detach(), {in[0], in[1]}, {in[1]},
                          [](const Saved& saved, const Tensor& d) {
                            return Gradients{times(d, saved[0]), {}};
                          })};
  };
  EXPECT_THROW(gradcheck(forgets, {leaf({1}), leaf({2})}), Error);
}

TEST(Gradcheck, CatchesAWrongSecondDerivativeOnly) {
  // The first derivative 2·x·d is right, but its own record forgets that it depends on x.
  const auto wrong_twice = [](const Tensors& in) {
    return Tensors{record("wrong_twice", times(in[0], in[0]).detach(), {in[0]}, {in[0]},
                          [](const Saved& saved, const Tensor& d) { return times(plus(d, d), saved[0].detach()); })};
  };
  gradcheck(wrong_twice, {leaf({1, 2})});
  EXPECT_THROW(gradcheck(wrong_twice, {leaf({1, 2})}, {.double_backward = true}), Error);
}

TEST(Gradcheck, CatchesNaN) {
  const auto nan = [](const Tensors& in) { return Tensors{times(in[0], Tensor::of({std::nan("")}))}; };
  EXPECT_THROW(gradcheck(nan, {leaf({1})}), Error);
}

TEST(Gradcheck, ChecksEveryElementOfAStridedInput) {
  Tensor matrix = Tensor::of({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, Shape{2, 3});
  Tensor transposed = matrix.transpose(0, 1).detach().requires_grad_();
  ASSERT_FALSE(transposed.is_contiguous());
  const auto weighted = [](const Tensors& in) {
    const Tensor values = in[0].contiguous();
    return Tensors{times(values, values)};
  };
  gradcheck(weighted, {transposed});
}

/// Sum of squares of a Masked weight's alive values; gradient 2·w·factor, packed or dense.
Tensor masked_square(const Tensor& weight, double factor) {
  double sum = 0;
  for (const double value : weight.to_dense().to_vector<double>()) sum += value * value;
  return record_once("masked_square", Tensor::full({}, sum, {.dtype = kFloat64}), {weight}, {weight},
                     [factor](const Saved& saved, const Tensor& d) {
                       const WeightState& state = saved[0].weight_state();
                       Tensor gradient = state.to_dense();
                       gradient.mul_(2 * factor * d.item<double>());
                       const bool dense = state.gradient_kind() == GradientKind::Dense;
                       return dense ? gradient : WeightState::gather(gradient, state.trainable());
                     });
}

TEST(Gradcheck, PerturbsWhatIsTrainableInAMaskedWeight) {
  const Tensor dense = Tensor::of({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, Shape{2, 3});
  const Tensor alive = Tensor::of({0.0, 1.0, 1.0, 0.0, 1.0, 0.0}, Shape{2, 3});
  const Tensor frozen = Tensor::of({0.0, 1.0, 0.0, 0.0, 1.0, 0.0}, Shape{2, 3});
  const Tensor weight = Tensor::masked(dense, Mask::from_nonzero(alive)).requires_grad_();
  weight.weight_state().set_trainable(Mask::from_nonzero(frozen));
  for (const GradientKind kind : {GradientKind::Trainable, GradientKind::Dense}) {
    weight.weight_state().set_gradient_kind(kind);
    gradcheck([](const Tensors& in) { return Tensors{masked_square(in[0], 1)}; }, {weight});
    EXPECT_THROW(gradcheck([](const Tensors& in) { return Tensors{masked_square(in[0], 1.01)}; }, {weight}), Error);
  }
  EXPECT_EQ(weight.to_dense().to_vector<double>(), (std::vector<double>{0, 2, 3, 0, 5, 0}));
}

TEST(Gradcheck, RefusesSinglePrecision) {
  EXPECT_THROW(gradcheck([](const Tensors& in) { return in; }, {Tensor::ones({2}).requires_grad_()}), Error);
  EXPECT_THROW(gradcheck([](const Tensors& in) { return in; }, {Tensor::of({1.0})}), Error);
}

}  // namespace
}  // namespace coppice
