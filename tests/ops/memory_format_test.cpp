#include <coppice/ops/memory_format.h>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/batch_norm.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/pool2d.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/softmax.h>

#include <cmath>
#include <functional>
#include <limits>

#include "tests/error_of.h"

namespace coppice {
namespace {

Tensor blocked(const Tensor& tensor) { return tensor.to(MemoryFormat::Blocked); }

TEST(MemoryFormat, RoundTripKeepsEveryElement) {
  Generator generator(1);
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const Shape& shape : {Shape{1, 1, 1, 1}, Shape{3, 2, 5, 7}, Shape{16, 3, 4, 4}, Shape{17, 5, 3, 9},
                               Shape{0, 3, 2, 2}, Shape{4, 0, 2, 2}, Shape{33, 1, 1, 13}}) {
      const Tensor x = Tensor::randn(shape, generator, {.dtype = dtype});
      const Tensor y = blocked(x);
      EXPECT_EQ(y.memory_format(), MemoryFormat::Blocked);
      EXPECT_FALSE(y.is_contiguous());
      EXPECT_EQ(y.shape(), shape);
      EXPECT_TRUE(bit_equal(y.contiguous(), x)) << shape;
      EXPECT_TRUE(bit_equal(y, x)) << "bit_equal converts: " << shape;
      EXPECT_EQ(y.to_vector<double>(), x.to_vector<double>());
    }
  }
}

TEST(MemoryFormat, PaddingIsZero) {
  const std::int64_t block = image_block(kFloat32);
  if (block == 1) GTEST_SKIP() << "one image in a block: no padding";
  const Tensor x = blocked(Tensor::ones({block + 1, 2, 3, 2}));
  const float* const element = detail::blocked_data<float>(x);
  for (std::int64_t i = 0; i < detail::blocked_size(x); ++i) {
    EXPECT_EQ(element[i], i < 12 * block || i % block == 0 ? 1.0F : 0.0F) << i;
  }
}

TEST(MemoryFormat, ReadsViewsAndCopiesBothWays) {
  Generator generator(2);
  const Tensor base = Tensor::randn({4, 5, 3, 9}, generator);
  const Tensor view = base.permute({3, 2, 0, 1});
  EXPECT_TRUE(bit_equal(blocked(view).contiguous(), view.contiguous()));
  Tensor target = blocked(Tensor::zeros({9, 3, 4, 5}));
  target.copy_(view);
  EXPECT_TRUE(bit_equal(target, view.contiguous()));
  Tensor dense = Tensor::zeros({4, 5, 3, 9});
  dense.permute({3, 2, 0, 1}).copy_(blocked(view));
  EXPECT_TRUE(bit_equal(dense, base));
  EXPECT_TRUE(bit_equal(blocked(view).clone(), view.contiguous()));
}

TEST(MemoryFormat, ConversionsAreCountedOnce) {
  const Tensor x = Tensor::ones({3, 2, 2, 2});
  const FormatScope outer;
  {
    const FormatScope inner;
    const Tensor y = blocked(x);
    EXPECT_TRUE(y.to(MemoryFormat::Blocked).is_same(y));
    EXPECT_TRUE(x.to(MemoryFormat::Contiguous).is_same(x));
    EXPECT_EQ(inner.conversions(), 1);
    EXPECT_EQ(inner.elements(), 24);
    y.contiguous();
  }
  EXPECT_EQ(outer.conversions(), 2);
}

TEST(MemoryFormat, IsDifferentiable) {
  Generator generator(3);
  gradcheck([](const std::vector<Tensor>& in) { return std::vector{blocked(in[0]).contiguous() * in[0]}; },
            {Tensor::randn({3, 2, 2, 3}, generator, {.dtype = kFloat64, .requires_grad = true})},
            {.double_backward = true});
}

TEST(MemoryFormat, SaysWhatItTakes) {
  EXPECT_EQ(error_of([] {
              blocked(Tensor::ones({2, 3}));
            }),
            "[to] the blocked format takes float32 or float64 images (n, c, h, w) on the CPU; got float32 (2, 3) on "
            "cpu");
  const Tensor x = blocked(Tensor::ones({2, 3, 1, 1}));
  EXPECT_EQ(error_of([&] { x.strides(); }),
            "[strides] a blocked tensor has none; got (2, 3, 1, 1); convert with contiguous()");
  EXPECT_EQ(error_of([&] { x.data<float>(); }),
            "[data] a blocked tensor has padded elements; got (2, 3, 1, 1); convert with contiguous()");
  EXPECT_EQ(error_of([&] { x.view({6}); }),
            "[view] a blocked tensor has no views; got (2, 3, 1, 1); use reshape(), which copies");
}

struct OpCase {
  const char* name;
  std::function<Tensor(const Tensor&)> op;
};

/// Ops with and without kernels of their own for the blocked format.
std::vector<OpCase> op_cases() {
  return {
      {"relu", [](const Tensor& x) { return relu(x); }},
      {"neg", [](const Tensor& x) { return -x; }},
      {"exp", [](const Tensor& x) { return exp(x); }},
      {"add_self", [](const Tensor& x) { return x + x; }},
      {"mul_relu", [](const Tensor& x) { return x * relu(x); }},
      {"sub_contiguous", [](const Tensor& x) { return x - x.contiguous() * 2.0; }},
      {"scale", [](const Tensor& x) { return x * 3.0; }},
      {"shift", [](const Tensor& x) { return x + 1.0; }},
      {"div", [](const Tensor& x) { return x / (x * x + 1.0); }},
      {"broadcast",
       [](const Tensor& x) {
         return x + Tensor::ones({1, 3, 1, 1}, {.dtype = kFloat64});
       }},
      {"where", [](const Tensor& x) { return where(x > 0.0, x, x * 0.1); }},
      {"sum",
       [](const Tensor& x) {
         return sum(x, {1, 3});
       }},
      {"mean", [](const Tensor& x) { return mean(x, {0}); }},
      {"softmax", [](const Tensor& x) { return softmax(x, 1); }},
      {"flatten", [](const Tensor& x) { return x.flatten(1); }},
      {"permute",
       [](const Tensor& x) {
         return x.permute({0, 2, 3, 1});
       }},
      {"transpose", [](const Tensor& x) { return x.transpose(1, 3); }},
      {"slice", [](const Tensor& x) { return x.slice(0, 1, 5, 2); }},
      {"narrow", [](const Tensor& x) { return x.narrow(3, 1, 2); }},
      {"select", [](const Tensor& x) { return x.select(2, 1); }},
      {"unsqueeze", [](const Tensor& x) { return x.unsqueeze(0); }},
      {"expand",
       [](const Tensor& x) {
         return x.expand({2, 5, 3, 4, 4});
       }},
      {"clone", [](const Tensor& x) { return x.clone(); }},
      {"to_double", [](const Tensor& x) { return x.to(kFloat32).to(kFloat64); }},
      {"matmul", [](const Tensor& x) { return matmul(x, x); }},
      {"linear",
       [](const Tensor& x) {
         return linear(x, Tensor::ones({2, 4}, {.dtype = kFloat64}));
       }},
      {"batch_norm", [](const Tensor& x) { return batch_norm(x, {}, {}, {}, {}); }},
      {"max_pool",
       [](const Tensor& x) {
         return max_pool2d(x, {2, 2});
       }},
      {"avg_pool",
       [](const Tensor& x) {
         return avg_pool2d(x, {2, 3});
       }},
      {"global_pool",
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {1, 1});
       }},
  };
}

TEST(MemoryFormat, EveryOpGivesTheSameValuesAndGradients) {
  Generator generator(4);
  const Tensor values = Tensor::randn({5, 3, 4, 4}, generator, {.dtype = kFloat64});
  for (const OpCase& c : op_cases()) {
    const Tensor a = values.clone().requires_grad_(), b = values.clone().requires_grad_();
    const Tensor expected = c.op(a), result = c.op(blocked(b));
    ASSERT_EQ(result.shape(), expected.shape()) << c.name;
    const std::vector<double> wanted = expected.to_vector<double>(), got = result.to_vector<double>();
    for (std::size_t i = 0; i < wanted.size(); ++i) ASSERT_NEAR(got[i], wanted[i], 1e-13) << c.name;
    const Tensor weights = Tensor::randn(expected.shape(), generator, {.dtype = kFloat64});
    sum(expected * weights).backward();
    sum(result * weights).backward();
    const std::vector<double> gradient = a.grad().to_vector<double>(), other = b.grad().to_vector<double>();
    for (std::size_t i = 0; i < gradient.size(); ++i) ASSERT_NEAR(other[i], gradient[i], 1e-12) << c.name;
  }
}

TEST(MemoryFormat, ActivationsAndSumsStayBlocked) {
  const Tensor x = blocked(Tensor::ones({5, 3, 4, 4}));
  const FormatScope scope;
  for (const Tensor& y : {relu(x), x + x, x * 0.5, -x, x * x}) EXPECT_EQ(y.memory_format(), MemoryFormat::Blocked);
  EXPECT_EQ(scope.conversions(), 0);
}

TEST(MemoryFormat, SumsOfGradientsStayBlocked) {
  Generator generator(5);
  const Tensor leaf = Tensor::randn({5, 3, 2, 2}, generator, {.requires_grad = true});
  const Tensor seed = Tensor::randn(leaf.shape(), generator);
  const auto junction = [](const Tensor& x) {
    const Tensor y = relu(x);
    return (y * 2.0 + y) * y;
  };
  const Tensor expected = grad({junction(leaf)}, {leaf}, {seed})[0];
  const Tensor x = blocked(leaf);
  const Tensor y = junction(x);
  const Tensor d_output = blocked(seed);
  for (const bool create_graph : {false, true}) {
    const FormatScope scope;
    const Tensor d_x = grad({y}, {x}, {d_output}, {.retain_graph = true, .create_graph = create_graph})[0];
    EXPECT_EQ(scope.conversions(), 0);
    EXPECT_EQ(d_x.memory_format(), MemoryFormat::Blocked);
    EXPECT_TRUE(bit_equal(d_x, expected));
  }
}

TEST(MemoryFormat, AGradientOfEitherFormatAddsToTheOther) {
  const std::vector<double> expected(30, 6.0);
  for (const bool blocked_first : {false, true}) {
    const Tensor x = blocked(Tensor::ones({5, 3, 1, 2}, {.requires_grad = true}));
    // One branch hands back the format it is given, the other a contiguous gradient.
    const Tensor twice = x * 2.0, four_times = x.contiguous() * 4.0;
    const Tensor one = blocked(Tensor::ones(x.shape())), other = Tensor::ones(x.shape());
    const FormatScope scope;
    const Tensor d_x = blocked_first ? grad({twice, four_times}, {x}, {one, other})[0]
                                     : grad({four_times, twice}, {x}, {other, one})[0];
    EXPECT_EQ(d_x.memory_format(), MemoryFormat::Blocked);
    EXPECT_EQ(scope.conversions(), 1);
    EXPECT_EQ(d_x.to_vector<double>(), expected);
  }
}

TEST(MemoryFormat, GradientsOfLeavesAreContiguous) {
  Tensor leaf = Tensor::ones({5, 3, 1, 2}, {.requires_grad = true});
  for (int step = 1; step <= 2; ++step) {
    const Tensor y = blocked(leaf) * 2.0;
    y.backward(blocked(Tensor::ones(leaf.shape())));
    ASSERT_TRUE(leaf.grad().is_contiguous());
    EXPECT_EQ(leaf.grad().to_vector<double>(), std::vector<double>(30, 2.0 * step));
  }
}

/// Whether the places of images past the last are 0.
bool padding_is_zero(const Tensor& tensor) {
  const std::int64_t block = image_block(tensor.dtype()), last = tensor.size(0) % block;
  const std::int64_t size = detail::blocked_size(tensor), of_block = tensor.numel() / tensor.size(0) * block;
  const float* const element = detail::blocked_data<float>(tensor);
  for (std::int64_t i = last == 0 ? size : size - of_block; i < size; ++i) {
    if (i % block >= last && element[i] != 0.0F) return false;
  }
  return true;
}

TEST(MemoryFormat, NumbersWithoutAFiniteProductLeavePaddingZero) {
  const double inf = std::numeric_limits<double>::infinity();
  const Shape shape{image_block(kFloat32) + 1, 2, 1, 3};
  for (const double factor : {2.0, inf, -inf, std::nan(""), 1e300}) {  // 1e300 is infinite as a float
    const Tensor dense = Tensor::ones(shape), x = blocked(dense);
    EXPECT_TRUE(bit_equal(x * factor, dense * factor)) << factor;
    EXPECT_TRUE(padding_is_zero(blocked(x * factor))) << factor;
    Tensor product = x.clone(), sum = x.clone();
    product.mul_(factor);
    sum.add_(dense, factor);
    EXPECT_TRUE(bit_equal(product, dense.clone().mul_(factor))) << factor;
    EXPECT_TRUE(bit_equal(sum, dense.clone().add_(dense, factor))) << factor;
    EXPECT_TRUE(padding_is_zero(product) && padding_is_zero(sum)) << factor;
  }
}

TEST(MemoryFormat, InPlaceOpsKeepIt) {
  Tensor x = blocked(Tensor::ones({5, 3, 1, 2}));
  x.add_(x, 2.0).mul_(2.0).add_(Tensor::ones({5, 3, 1, 2}));
  EXPECT_EQ(x.memory_format(), MemoryFormat::Blocked);
  EXPECT_EQ(x.to_vector<double>(), std::vector<double>(30, 7.0));
  x.fill_(3.0);
  EXPECT_EQ(x.to_vector<double>(), std::vector<double>(30, 3.0));
  x.zero_();
  EXPECT_EQ(x.to_vector<double>(), std::vector<double>(30, 0.0));
}

}  // namespace
}  // namespace coppice
