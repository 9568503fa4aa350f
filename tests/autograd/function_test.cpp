#include <coppice/autograd/function.h>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/ops/elementwise.h>

#include "tests/autograd/leak_check.h"
#include "tests/autograd/test_ops.h"

namespace coppice {
namespace {

using namespace test_ops;
using Tensors = std::vector<Tensor>;
using Values = std::vector<double>;

/// (a, b) ↦ (a·b, exp(a)): two outputs, one of which it saves.
struct ProductAndExp {
  Tensors forward(FunctionContext& context, const Tensors& inputs) {
    EXPECT_FALSE(grad_enabled());
    const Tensor product = times(inputs[0], inputs[1]);
    const Tensor power = exponential(inputs[0]);
    context.save_for_backward({inputs[0], inputs[1], power});
    return {product, power};
  }
  Tensors backward(FunctionContext& context, const Tensors& d_outputs) {
    Tensors gradients(2);
    const auto add = [](Tensor& sum, const Tensor& term) { sum = sum.defined() ? plus(sum, term) : term; };
    if (d_outputs[0].defined()) {
      if (context.needs_input_grad(0)) add(gradients[0], times(d_outputs[0], context.saved(1)));
      if (context.needs_input_grad(1)) add(gradients[1], times(d_outputs[0], context.saved(0)));
    }
    if (d_outputs[1].defined() && context.needs_input_grad(0)) add(gradients[0], times(d_outputs[1], context.saved(2)));
    return gradients;
  }
};

Tensors product_and_exp(const Tensors& inputs) { return apply_function(ProductAndExp{}, inputs); }

TEST(Function, PassesGradcheckTwice) {
  gradcheck(product_and_exp, {leaf({0.3, -1.2}), leaf({2.0, 0.7})}, {.double_backward = true});
}

TEST(Function, DoesNotLeak) { expect_no_leak(product_and_exp, {leaf({0.3, -1.2}), leaf({2.0, 0.7})}); }

TEST(Function, AnUnusedOutputHasNoGradient) {
  const Tensor a = leaf({2});
  const Tensor b = leaf({3});
  product_and_exp({a, b})[0].backward();
  EXPECT_EQ(values(a.grad()), (Values{3}));
  EXPECT_EQ(values(b.grad()), (Values{2}));
  a.set_grad({});
  b.set_grad({});
  product_and_exp({a, b})[1].backward();
  EXPECT_DOUBLE_EQ(a.grad().item<double>(), std::exp(2.0));
  EXPECT_FALSE(b.grad().defined());
}

TEST(Function, HooksTellOutputsApart) {
  const Tensor a = leaf({0});
  const Tensors outputs = product_and_exp({a, leaf({3})});
  int calls = 0;
  outputs[1].register_hook([&](const Tensor& d) {
    ++calls;
    EXPECT_EQ(d.item<double>(), 5);
    return Tensor();
  });
  backward({outputs[0], outputs[1]}, {Tensor::of({7.0}), Tensor::of({5.0})});
  EXPECT_EQ(calls, 1);
  EXPECT_EQ(values(a.grad()), (Values{7 * 3 + 5}));
}

TEST(Function, IsNotRecordedWithoutNeed) {
  const Tensor plain = Tensor::of({2.0});
  EXPECT_FALSE(product_and_exp({plain, plain})[0].requires_grad());
  const NoGrad no_grad;
  EXPECT_FALSE(product_and_exp({leaf({1}), plain})[0].requires_grad());
}

/// Multiplies the gradient by a factor that forward was given; returns its input, and an index.
struct ScaleGradient {
  double factor;
  Tensors forward(FunctionContext&, const Tensors& inputs) { return {inputs[0], Tensor::arange(2)}; }
  Tensors backward(FunctionContext&, const Tensors& d_outputs) { return {times(d_outputs[0], Tensor::of({factor}))}; }
};

TEST(Function, AReturnedInputBecomesAView) {
  const Tensor x = leaf({2});
  const Tensors outputs = apply_function(ScaleGradient{-3}, {x});
  EXPECT_FALSE(outputs[0].is_same(x));
  EXPECT_EQ(outputs[0].data<double>(), x.data<double>());
  EXPECT_TRUE(x.is_leaf());
  EXPECT_FALSE(outputs[1].requires_grad());  // integral
  outputs[0].backward();
  EXPECT_EQ(values(x.grad()), (Values{-3}));
}

/// The example of docs/autograd.md.
struct Cube {
  Tensors forward(FunctionContext& context, const Tensors& inputs) {
    context.save_for_backward({inputs[0]});
    return {inputs[0] * inputs[0] * inputs[0]};
  }
  Tensors backward(FunctionContext& context, const Tensors& d_outputs) {
    const Tensor x = context.saved(0);
    return {d_outputs[0] * x * x * 3.0};
  }
};

TEST(Function, TheDocumentedExampleHolds) {
  const auto cube = [](const Tensors& in) { return apply_function(Cube{}, in); };
  gradcheck(cube, {leaf({0.5, -2})}, {.double_backward = true});
  expect_no_leak(cube, {leaf({0.5, -2})});
}

/// Recomputes its inside in backward, as checkpointing does.
struct Recomputed {
  Tensors forward(FunctionContext& context, const Tensors& inputs) {
    context.save_for_backward({inputs[0]});
    return {exponential(times(inputs[0], inputs[0]))};
  }
  Tensors backward(FunctionContext& context, const Tensors& d_outputs) {
    const GradMode recording(true);
    const Tensor x = context.saved(0).detach().requires_grad_();
    return grad({exponential(times(x, x))}, {x}, {d_outputs[0]});
  }
};

TEST(Function, BackwardMayRunInsideBackward) {
  const auto recomputed = [](const Tensors& in) { return Tensors{times(apply_function(Recomputed{}, in)[0], in[0])}; };
  gradcheck(recomputed, {leaf({0.5, -1})});
  expect_no_leak(recomputed, {leaf({0.5, -1})}, {.create_graph = false});
}

struct TooFewGradients {
  Tensors forward(FunctionContext&, const Tensors& inputs) { return {plus(inputs[0], inputs[1])}; }
  Tensors backward(FunctionContext&, const Tensors& d_outputs) { return {d_outputs[0]}; }
};

TEST(Function, MustReturnAGradientPerInput) {
  const Tensor x = leaf({2});
  EXPECT_THROW(apply_function(TooFewGradients{}, {x, x})[0].backward(), Error);
}

}  // namespace
}  // namespace coppice
