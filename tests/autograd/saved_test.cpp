#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/weight_state.h>

#include "tests/autograd/test_ops.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using namespace test_ops;
using Values = std::vector<double>;

void expect_backward_throws(const Tensor& output, const std::string& start) {
  EXPECT_EQ(error_of([&] { output.backward(); }).substr(0, start.size()), start);
}

void overwrite(Tensor tensor) {
  const NoGrad no_grad;
  tensor.fill_(7);
}

TEST(Saved, ThrowsWhereAnInputWasOverwritten) {
  const Tensor x = leaf({2});
  const Tensor y = times(x, x);
  overwrite(x);
  expect_backward_throws(y, "[times] a tensor needed for backward was modified in place; float64 (1) had version 0");
}

TEST(Saved, ThrowsWhereAnOutputWasOverwritten) {
  const Tensor x = leaf({2});
  const Tensor y = exponential(x);
  overwrite(y);
  expect_backward_throws(y, "[exponential] a tensor needed for backward was modified in place");
}

TEST(Saved, ThrowsWhereAnotherViewWasWritten) {
  const Tensor base = Tensor::of({2.0});
  const Tensor x = base.detach().requires_grad_();
  const Tensor y = times(x, x);
  overwrite(base);
  expect_backward_throws(y, "[times] a tensor needed for backward was modified in place");
}

TEST(Saved, AllowsWritesToWhatBackwardDoesNotRead) {
  const Tensor x = leaf({2});
  const Tensor y = plus(x, x);
  overwrite(x);
  overwrite(y);
  y.backward();
  EXPECT_EQ(values(x.grad()), (Values{2}));
}

TEST(Saved, AllowsWritesBeforeSavingAndAfterBackward) {
  const Tensor x = leaf({2});
  overwrite(x);
  times(x, x).backward();
  overwrite(x);
  times(x, x).backward();
  EXPECT_EQ(values(x.grad()), (Values{28}));
}

TEST(Saved, KeepsTheHistoryOfInputsAndOwnOutputs) {
  const Tensor x = leaf({2});
  const Tensor inner = times(x, x);
  std::vector<bool> recorded;
  const auto probe = [&](const Saved& saved, const Tensor& d) {
    for (int i = 0; i < 3; ++i) recorded.push_back(saved[i].defined() && saved[i].requires_grad());
    return d;
  };
  const Tensor output = Tensor::of({1.0});
  const Tensor plain = Tensor::of({1.0});
  record("probe", output, {inner}, {inner, output, plain}, probe);
  grad({output}, {x}, {}, {.create_graph = true});
  EXPECT_EQ(recorded, (std::vector<bool>{true, true, false}));
}

TEST(Saved, AnUndefinedTensorStaysUndefined) {
  const Tensor x = leaf({2});
  bool defined = true;
  const Tensor y =
      record("optional", Tensor::of({1.0}), {x, Tensor()}, {Tensor()}, [&](const Saved& saved, const Tensor& d) {
        defined = saved[0].defined();
        EXPECT_TRUE(saved.needs(0));
        EXPECT_FALSE(saved.needs(1));
        EXPECT_THROW(saved[1], Error);
        return Gradients{d, Tensor()};
      });
  y.backward();
  EXPECT_FALSE(defined);
}

/// Sum of the alive values of a Masked weight; the gradient is packed or dense, as its state asks.
Tensor masked_total(const Tensor& weight) {
  double sum = 0;
  for (const double value : weight.to_dense().to_vector<double>()) sum += value;
  return record("masked_total", Tensor::full({}, sum, {.dtype = kFloat64}), {weight}, {weight},
                [](const Saved& saved, const Tensor& d) {
                  const WeightState& state = saved[0].weight_state();
                  if (state.gradient_kind() == GradientKind::None) return Tensor();
                  const bool dense = state.gradient_kind() == GradientKind::Dense;
                  const Shape shape = dense ? state.shape() : Shape{state.trainable().count()};
                  return Tensor::full(shape, d.item<double>(), {.dtype = kFloat64});
                });
}

Tensor masked_weight() {
  const Tensor dense = Tensor::of({1.0, 2.0, 3.0, 4.0, 5.0, 6.0}, Shape{2, 3});
  const Tensor alive = Tensor::of({1.0, 0.0, 1.0, 0.0, 1.0, 0.0}, Shape{2, 3});
  return Tensor::masked(dense, Mask::from_nonzero(alive)).requires_grad_();
}

TEST(SavedMasked, ThrowsWhereTheMaskChanged) {
  const Tensor weight = masked_weight();
  const Tensor y = masked_total(weight);
  weight.weight_state().prune(Mask::from_nonzero(Tensor::of({1.0, 0.0, 0.0, 0.0, 0.0, 0.0}, Shape{2, 3})));
  expect_backward_throws(y, "[masked_total] the mask changed between forward and backward; weight (2, 3)");
}

TEST(SavedMasked, ThrowsWhereValuesWereWritten) {
  const Tensor weight = masked_weight();
  const Tensor y = masked_total(weight);
  weight.weight_state().values().data<double>()[0] = 9;
  weight.weight_state().bump_values();
  expect_backward_throws(y, "[masked_total] a tensor needed for backward was modified in place; float64 (2, 3)");
}

TEST(SavedMasked, LeavesTakePackedAndDenseGradients) {
  const Tensor weight = masked_weight();
  masked_total(weight).backward();
  masked_total(weight).backward();
  EXPECT_EQ(values(weight.grad()), (Values{2, 2, 2}));
  weight.weight_state().set_gradient_kind(GradientKind::Dense);
  expect_backward_throws(masked_total(weight), "[backward] cannot add a gradient of shape (2, 3) to the (3) one");
  weight.set_grad({});
  masked_total(weight).backward();
  EXPECT_EQ(values(weight.grad()), (Values{1, 1, 1, 1, 1, 1}));
  weight.set_grad({});
  weight.weight_state().set_gradient_kind(GradientKind::None);
  masked_total(weight).backward();
  EXPECT_FALSE(weight.grad().defined());
  EXPECT_THROW(weight.set_grad(Tensor::of({1.0, 2.0})), Error);
}

TEST(SavedMasked, RefusesToAddPackedGradientsOfDifferentMasks) {
  const Tensor weight = masked_weight();
  masked_total(weight).backward();
  const Mask first = Mask::from_nonzero(Tensor::of({1.0, 0.0, 0.0, 0.0, 0.0, 0.0}, Shape{2, 3}));
  const Mask second = Mask::from_nonzero(Tensor::of({0.0, 1.0, 0.0, 0.0, 0.0, 0.0}, Shape{2, 3}));
  weight.weight_state().prune(first);
  weight.weight_state().wake(second, WakeValue::Zero, /*freeze_alive=*/false);
  ASSERT_EQ(weight.weight_state().trainable().count(), 3);  // as many, elsewhere
  expect_backward_throws(masked_total(weight), "[backward] the mask of a weight (2, 3) changed since its packed grad");
}

}  // namespace
}  // namespace coppice
