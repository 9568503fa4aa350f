#include <coppice/ops/conv2d.h>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/core/flops.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>

#include "tests/autograd/leak_check.h"
#include "tests/cases/conv2d_cases.h"
#include "tests/error_of.h"
#include "tests/ops/conv2d_reference.h"

namespace coppice {
namespace {

using testing::integers;
using testing::naive;
using Results = testing::ConvResults;

Results run(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& d_output,
            const Conv2dOptions& options) {
  Tensor x = input.detach(), b = bias.detach(), w = weight.is_masked() ? weight : weight.detach();
  x.requires_grad_();
  w.requires_grad_();
  b.requires_grad_();
  w.set_grad({});
  const Tensor y = conv2d(x, w, b, options);
  y.backward(d_output);
  return {y.detach(), x.grad(), w.grad(), b.grad()};
}

/// The operands of a case, small integers, so that every sum is exact.
struct Operands {
  Operands(const cases::Conv2dCase& c, DType dtype) {
    Generator generator(7);
    input = integers(c.input, dtype, generator);
    weight = integers(c.weight, dtype, generator);
    bias = integers({c.weight[0]}, dtype, generator);
    d_output = integers(check_conv2d(input, weight, bias, c.options), dtype, generator);
  }
  Tensor input, weight, bias, d_output;
};

void expect_bit_equal(const Results& a, const Results& b, const cases::Conv2dCase& c) {
  EXPECT_TRUE(bit_equal(a.output, b.output)) << c;
  EXPECT_TRUE(bit_equal(a.d_input, b.d_input)) << c;
  EXPECT_TRUE(bit_equal(a.d_weight, b.d_weight)) << c;
  EXPECT_TRUE(bit_equal(a.d_bias, b.d_bias)) << c;
}

TEST(Conv2d, MatchesTheDefinitionExactlyOnSmallIntegers) {
  for (const cases::Conv2dCase& c : cases::conv2d_edge_cases()) {
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Operands o(c, dtype);
      // + 0 turns the −0 that an empty or cancelled sum may have into 0 on both sides.
      const auto plain = [](Results r) {
        for (Tensor* t : {&r.output, &r.d_input, &r.d_weight, &r.d_bias}) *t = t->clone().add_(Tensor::zeros_like(*t));
        return r;
      };
      expect_bit_equal(plain(run(o.input, o.weight, o.bias, o.d_output, c.options)),
                       plain(naive(o.input, o.weight, o.bias, o.d_output, c.options)), c);
    }
  }
}

TEST(Conv2d, GradientsAgreeWithDifferences) {
  for (const cases::Conv2dCase& c : cases::conv2d_edge_cases()) {
    if (c.input.numel() == 0 || c.name == "many_images") continue;
    Generator generator(11);
    const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
    gradcheck([&](const std::vector<Tensor>& in) { return std::vector{conv2d(in[0], in[1], in[2], c.options)}; },
              {Tensor::randn(c.input, generator, options), Tensor::randn(c.weight, generator, options),
               Tensor::randn({c.weight[0]}, generator, options)});
  }
}

TEST(Conv2d, HasADoubleBackward) {
  Generator generator(3);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  gradcheck(
      [](const std::vector<Tensor>& in) {
        return std::vector{conv2d(in[0], in[1], in[2], {.stride = {2, 1}, .padding = {1, 0}, .groups = 2})};
      },
      {Tensor::randn({2, 2, 4, 3}, generator, options), Tensor::randn({4, 1, 3, 2}, generator, options),
       Tensor::randn({4}, generator, options)},
      {.double_backward = true});
}

TEST(Conv2d, ReadsViewsThatAreNotContiguous) {
  Generator generator(5);
  const Tensor base = integers({5, 7, 3, 2}, kFloat32, generator);
  const Tensor input = base.permute({3, 2, 0, 1});  // (2, 3, 5, 7)
  const Tensor weight = integers({3, 3, 3, 4}, kFloat32, generator).transpose(0, 3).slice(0, 0, 4, 2);
  EXPECT_FALSE(input.is_contiguous());
  EXPECT_FALSE(weight.is_contiguous());
  EXPECT_TRUE(bit_equal(conv2d(input, weight), conv2d(input.to_dense(), weight.to_dense())));
}

TEST(Conv2d, AllowsNoFiltersAndNoChannels) {
  const std::int64_t images = 2 * image_block(kFloat32) + 1;
  for (const Shape& shape : {Shape{0, 3, 3, 3}, Shape{4, 0, 3, 3}, Shape{0, 0, 3, 3}}) {
    for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::Blocked}) {
      Tensor x = Tensor::ones({images, shape[1], 5, 5}).to(format).detach(), w = Tensor::ones(shape);
      x.requires_grad_();
      w.requires_grad_();
      const Tensor y = conv2d(x, w);
      EXPECT_TRUE(bit_equal(y.contiguous(), Tensor::zeros({images, shape[0], 3, 3}))) << shape << ' ' << format;
      y.backward(Tensor::ones(y.shape()));
      EXPECT_TRUE(bit_equal(x.grad().contiguous(), Tensor::zeros(x.shape()))) << shape << ' ' << format;
      EXPECT_EQ(w.grad().shape(), shape);
    }
  }
}

TEST(Conv2d, IsBitwiseTheSameForAnyNumberOfThreads) {
  const cases::Conv2dCase cases[] = {{"few_images", {2, 3, 15, 15}, {8, 3, 3, 3}, {.padding = {1, 1}}},
                                     {"many_images", {21, 4, 9, 9}, {6, 2, 3, 3}, {.stride = {2, 2}, .groups = 2}},
                                     {"large_weight", {3, 160, 4, 4}, {192, 160, 3, 3}, {.padding = {1, 1}}}};
  const int before = num_threads();
  for (const cases::Conv2dCase& c : cases) {
    Generator generator(13);
    const Tensor x = Tensor::randn(c.input, generator), w = Tensor::randn(c.weight, generator);
    const Tensor b = Tensor::randn({c.weight[0]}, generator);
    const Tensor dy = Tensor::randn(check_conv2d(x, w, b, c.options), generator);
    set_num_threads(1);
    const Results one = run(x, w, b, dy, c.options);
    for (const int threads : {2, 3}) {
      set_num_threads(threads);
      expect_bit_equal(run(x, w, b, dy, c.options), one, c);
    }
  }
  set_num_threads(before);
}

TEST(Conv2d, MaskedWeightGivesTheDenseResultAndTheGradientAskedFor) {
  for (const cases::Conv2dCase& c : cases::conv2d_edge_cases()) {
    const Operands o(c, kFloat64);
    for (const double density : {0.0, 0.1, 0.6, 1.0}) {
      Generator generator(17);
      const auto count = static_cast<std::int64_t>(density * static_cast<double>(c.weight.numel()));
      const Mask alive = Mask::random(c.weight, count, generator);
      const Tensor weight = Tensor::masked(o.weight, alive);
      const Results dense = run(o.input, weight.to_dense(), o.bias, o.d_output, c.options);

      const Results packed = run(o.input, weight, o.bias, o.d_output, c.options);
      EXPECT_TRUE(bit_equal(packed.output, dense.output)) << c;
      EXPECT_TRUE(bit_equal(packed.d_input, dense.d_input)) << c;
      EXPECT_TRUE(bit_equal(packed.d_weight, WeightState::gather(dense.d_weight, alive))) << c;

      weight.weight_state().set_gradient_kind(GradientKind::Dense);
      EXPECT_TRUE(bit_equal(run(o.input, weight, o.bias, o.d_output, c.options).d_weight, dense.d_weight)) << c;

      weight.weight_state().set_gradient_kind(GradientKind::None);
      const Results none = run(o.input, weight, o.bias, o.d_output, c.options);
      EXPECT_FALSE(none.d_weight.defined()) << c;
      EXPECT_TRUE(bit_equal(none.d_input, dense.d_input)) << c;
      EXPECT_TRUE(bit_equal(none.d_bias, dense.d_bias)) << c;
    }
  }
}

TEST(Conv2d, MaskedGradientCoversOnlyWhatIsTrainable) {
  const cases::Conv2dCase c{"exploring", {2, 2, 5, 5}, {3, 2, 3, 3}, {}};
  const Operands o(c, kFloat64);
  Generator generator(19);
  const Mask alive = Mask::random(c.weight, 20, generator);
  const Tensor weight = Tensor::masked(o.weight, alive);
  weight.weight_state().wake(~alive);
  const Results dense = run(o.input, weight.to_dense(), o.bias, o.d_output, c.options);
  EXPECT_TRUE(bit_equal(run(o.input, weight, o.bias, o.d_output, c.options).d_weight,
                        WeightState::gather(dense.d_weight, ~alive)));
}

TEST(Conv2d, ThrowsWhenTheMaskChangedBeforeBackward) {
  Generator generator(23);
  const Tensor x = Tensor::randn({1, 1, 4, 4}, generator);
  const Mask alive = Mask::random({2, 1, 3, 3}, 9, generator);
  Tensor weight = Tensor::masked(Tensor::ones({2, 1, 3, 3}), alive);
  weight.requires_grad_();
  const Tensor y = conv2d(x, weight);
  weight.weight_state().prune(alive);
  EXPECT_THROW(y.backward(Tensor::ones_like(y)), Error);
}

TEST(Conv2d, CountsFlopsOfThreeProducts) {
  const cases::Conv2dCase c{"flops", {2, 4, 5, 5}, {6, 2, 3, 3}, {.padding = {1, 1}, .groups = 2}};
  const Operands o(c, kFloat32);
  const double dense = 2.0 * 2 * 25 * 6 * 2 * 9;  // 2 · images · pixels · weights
  {
    FlopScope scope;
    run(o.input, o.weight, o.bias, o.d_output, c.options);
    for (std::size_t phase = 0; phase < 3; ++phase) {
      EXPECT_EQ(scope.count().dense[phase], dense);
      EXPECT_EQ(scope.count().effective[phase], dense);
    }
  }
  Generator generator(29);
  const Mask alive = Mask::random(c.weight, 27, generator);  // a quarter of 108
  const Tensor weight = Tensor::masked(o.weight, alive);
  weight.weight_state().wake(~alive);
  FlopScope scope;
  run(o.input, weight, o.bias, o.d_output, c.options);
  EXPECT_EQ(scope.count().effective[0], dense);
  EXPECT_EQ(scope.count().effective[1], dense);
  EXPECT_EQ(scope.count().effective[2], 0.75 * dense);
  weight.weight_state().sleep();
  scope.reset();
  run(o.input, weight, o.bias, o.d_output, c.options);
  EXPECT_EQ(scope.count().effective[0], 0.25 * dense);
  EXPECT_EQ(scope.count().effective[1], 0.25 * dense);
  EXPECT_EQ(scope.count().effective[2], 0.25 * dense);
  EXPECT_EQ(scope.count().dense[2], dense);
}

TEST(Conv2d, LeaksNothing) {
  Generator generator(31);
  const Tensor x = Tensor::randn({2, 2, 4, 4}, generator, {.requires_grad = true});
  const Tensor w = Tensor::randn({3, 2, 3, 3}, generator, {.requires_grad = true});
  const Tensor b = Tensor::randn({3}, generator, {.requires_grad = true});
  const auto function = [](const std::vector<Tensor>& in) { return std::vector{conv2d(in[0], in[1], in[2])}; };
  expect_no_leak(function, {x, w, b});
  Tensor masked = Tensor::masked(w.to_dense(), Mask::random(w.shape(), 20, generator));
  masked.requires_grad_();
  expect_no_leak(function, {x, masked, b}, {.create_graph = false});
}

TEST(Conv2dRelu, HasTheGradientsOfItsParts) {
  Generator generator(41);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  const Tensor x = Tensor::randn({2, 2, 4, 4}, generator, options), w = Tensor::randn({3, 2, 3, 3}, generator, options);
  const Tensor b = Tensor::randn({3}, generator, options), r = Tensor::randn({2, 3, 4, 4}, generator, options);
  const auto function = [](const std::vector<Tensor>& in) {
    return std::vector{conv2d_relu(in[0], in[1], in[2], {.padding = {1, 1}}, in[3])};
  };
  gradcheck(function, {x, w, b, r}, {.double_backward = true});
  const NoGrad no_grad;
  EXPECT_TRUE(bit_equal(conv2d_relu(x, w, b, {.padding = {1, 1}}, r), relu(conv2d(x, w, b, {.padding = {1, 1}}) + r)));
}

TEST(Conv2dRelu, KeepsNaN) {
  Tensor x = Tensor::ones({1, 1, 2, 2});
  x.data<float>()[1] = std::numeric_limits<float>::quiet_NaN();
  const std::vector<double> y = conv2d_relu(x, Tensor::full({1, 1, 1, 1}, -1.0)).to_vector<double>();
  EXPECT_EQ(y[0], 0.0);
  EXPECT_TRUE(std::isnan(y[1]));
}

TEST(Conv2dRelu, SaysWhatDoesNotFit) {
  expect_error(
      [] {
        conv2d_relu(Tensor::zeros({1, 1, 3, 3}), Tensor::zeros({2, 1, 1, 1}), {}, {}, Tensor::zeros({1, 1, 3, 3}));
      },
      "[conv2d_relu] expects a residual like the output float32 (1, 2, 3, 3); got float32 (1, 1, 3, 3)");
}

TEST(Conv2d, SaysWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({8, 32, 56, 56});
  expect_error(
      [&] {
        conv2d(x, Tensor::zeros({128, 64, 3, 3}));
      },
      "[conv2d] input has 32 channels but weight expects 64 (groups=1): input (8, 32, 56, 56), weight (128, "
      "64, 3, 3)");
  expect_error(
      [&] {
        conv2d(x, Tensor::zeros({128, 16, 3, 3}), {}, {.groups = 3});
      },
      "[conv2d] groups=3 must divide the channels of input and weight: input (8, 32, 56, 56), weight (128, "
      "16, 3, 3)");
  expect_error(
      [&] {
        conv2d(x, Tensor::zeros({4, 32, 3, 3}), Tensor::zeros({3}));
      },
      "[conv2d] expects a bias (4); got (3) for weight (4, 32, 3, 3)");
  expect_error(
      [] {
        conv2d(Tensor::zeros({1, 1, 3, 3}), Tensor::zeros({1, 1, 3, 3}), {}, {.dilation = {2, 1}});
      },
      "[conv2d] the dilated kernel (5, 3) is larger than the padded input (3, 3): input (1, 1, 3, 3), weight "
      "(1, 1, 3, 3)");
  expect_error(
      [&] {
        conv2d(x, Tensor::zeros({4, 32, 3, 3}, {.dtype = kFloat64}));
      },
      "[conv2d] expects input and weight of one floating dtype; got float32 and float64");
  expect_error(
      [&] {
        conv2d(Tensor::zeros({3, 4, 4}), Tensor::zeros({1, 3, 1, 1}));
      },
      "[conv2d] expects an input (n, c, h, w); got (3, 4, 4); add dimensions with unsqueeze");
  expect_error(
      [&] {
        conv2d(x, Tensor::zeros({4, 32, 3, 3}), {}, {.stride = {0, 1}});
      },
      "[conv2d] expects stride and dilation of at least 1 and padding of at least 0; got stride (0, 1), "
      "dilation (1, 1), padding (0, 0)");
}

}  // namespace
}  // namespace coppice
