// Batch norm and pooling of blocked images against the contiguous kernels.

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/batch_norm.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/pool2d.h>
#include <coppice/ops/reduce.h>

#include <cmath>
#include <functional>
#include <limits>
#include <string_view>

namespace coppice {
namespace {

Tensor blocked(const Tensor& tensor) { return tensor.to(MemoryFormat::Blocked); }

void expect_close(const Tensor& a, const Tensor& b, double tolerance, const char* what) {
  ASSERT_EQ(a.shape(), b.shape()) << what;
  const std::vector<double> x = a.to_vector<double>(), y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) ASSERT_NEAR(x[i], y[i], tolerance) << what << " at " << i;
}

void expect_empty_padding(const Tensor& images) {
  const std::int64_t block = image_block(images.dtype()), used = images.size(0) % block;
  const std::int64_t size = detail::blocked_size(images);
  const std::int64_t last = size - size / ((images.size(0) + block - 1) / block);
  dispatch_floating(images.dtype(), "test", [&]<class T>() {
    const T* const element = detail::blocked_data<T>(images);
    for (std::int64_t i = last; used > 0 && i < size; ++i) {
      if (i % block < used) continue;
      ASSERT_EQ(element[i], T(0));
    }
  });
}

struct NormCase {
  Shape shape;
  bool relu, residual;
};

std::vector<NormCase> norm_cases() {
  std::vector<NormCase> cases;
  for (const Shape& shape :
       {Shape{2, 1, 1, 1}, Shape{5, 3, 4, 7}, Shape{16, 4, 5, 5}, Shape{19, 2, 33, 3}, Shape{3, 20, 2, 40}}) {
    for (const bool relu : {false, true}) {
      cases.push_back({shape, relu, false});
      if (relu) cases.push_back({shape, relu, true});
    }
  }
  return cases;
}

/// Output, gradients of input, weight, bias and residual, and the running statistics after it.
std::vector<Tensor> run_norm(const NormCase& c, MemoryFormat format, DType dtype, BatchNormStatistics statistics) {
  Generator generator(5);
  const TensorOptions options{.dtype = dtype};
  const std::int64_t channels = c.shape[1];
  const Tensor x = (Tensor::randn(c.shape, generator, options) * 2.0 + 30.0).detach().requires_grad_();
  const Tensor residual = Tensor::randn(c.shape, generator, options).requires_grad_();
  const Tensor weight = Tensor::randn({channels}, generator, options).requires_grad_();
  const Tensor bias = Tensor::randn({channels}, generator, options).requires_grad_();
  const Tensor mean = Tensor::full({channels}, 29.0, options), variance = Tensor::full({channels}, 3.0, options);
  const Tensor d_y = Tensor::randn(c.shape, generator, options);
  const BatchNormOptions how{.statistics = statistics};
  const Tensor in = x.to(format);
  const Tensor y =
      c.relu ? batch_norm_relu(in, weight, bias, mean, variance, how, c.residual ? residual.to(format) : Tensor())
             : batch_norm(in, weight, bias, mean, variance, how);
  EXPECT_EQ(y.memory_format(), format);
  if (format == MemoryFormat::Blocked) expect_empty_padding(y);
  y.backward(d_y);
  std::vector<Tensor> results{y.detach().contiguous(), x.grad(), weight.grad(), bias.grad(), mean, variance};
  if (c.residual) results.push_back(residual.grad());
  return results;
}

TEST(BlockedBatchNorm, MatchesContiguousImages) {
  for (const BatchNormStatistics statistics : {BatchNormStatistics::Batch, BatchNormStatistics::Running}) {
    for (const auto& [dtype, tolerance] : {std::pair{kFloat64, 1e-10}, std::pair{kFloat32, 2e-3}}) {
      for (const NormCase& c : norm_cases()) {
        const std::vector<Tensor> expected = run_norm(c, MemoryFormat::Contiguous, dtype, statistics);
        const std::vector<Tensor> result = run_norm(c, MemoryFormat::Blocked, dtype, statistics);
        ASSERT_EQ(result.size(), expected.size());
        for (std::size_t i = 0; i < result.size(); ++i) {
          expect_close(result[i], expected[i], tolerance, c.relu ? (c.residual ? "residual" : "relu") : "plain");
        }
      }
    }
  }
}

TEST(BlockedBatchNorm, GradientsAgreeWithDifferences) {
  Generator generator(6);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  gradcheck(
      [](const std::vector<Tensor>& in) {
        return std::vector{batch_norm_relu(blocked(in[0]), in[1], in[2], {}, {}, {}, blocked(in[3]))};
      },
      {Tensor::randn({5, 2, 2, 3}, generator, options), Tensor::randn({2}, generator, options),
       Tensor::randn({2}, generator, options), Tensor::randn({5, 2, 2, 3}, generator, options)});
}

TEST(BlockedBatchNorm, KeepsNaNThroughTheReLU) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    const TensorOptions options{.dtype = dtype};
    const Tensor nan = Tensor::full({3, 1, 1, 2}, std::numeric_limits<double>::quiet_NaN(), options);
    const Tensor mean = Tensor::zeros({1}, options), variance = Tensor::ones({1}, options);
    const BatchNormOptions how{.statistics = BatchNormStatistics::Running, .running = BatchNormRunning::Hold};
    const Tensor y = batch_norm_relu(blocked(nan), {}, {}, mean, variance, how);
    expect_empty_padding(y);
    for (const double value : y.contiguous().to_vector<double>()) EXPECT_TRUE(std::isnan(value)) << dtype;
  }
}

TEST(BlockedBatchNorm, IsBitwiseEqualOverThreads) {
  const NormCase c{{40, 24, 9, 11}, true, true};
  std::vector<Tensor> first;
  for (const int threads : {1, 2, 3}) {
    const ThreadLimit limit(threads);
    const std::vector<Tensor> result = run_norm(c, MemoryFormat::Blocked, kFloat32, BatchNormStatistics::Batch);
    if (threads == 1) first = result;
    for (std::size_t i = 0; i < result.size(); ++i) EXPECT_TRUE(bit_equal(result[i], first[i])) << threads;
  }
}

TEST(BlockedBatchNorm, BackwardFreesTheBitsOfTheReLU) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope scope(allocator);
  Generator generator(9);
  const Tensor x = Tensor::randn({32, 8, 16, 16}, generator, {.requires_grad = true});
  const Tensor in = blocked(x);
  const std::int64_t before = allocator->stats().current;
  const Tensor y = batch_norm_relu(in, {}, {}, {}, {});
  const std::int64_t held = allocator->stats().current - before;
  EXPECT_GE(held, in.nbytes() + in.numel() / 8) << "the output and a bit per element";
  grad({y}, {x}, {Tensor::ones(y.shape())});
  EXPECT_LT(allocator->stats().current - before, in.nbytes() + in.numel() / 8) << "the output alone";
}

Tensor normal_like(const Tensor& tensor) {
  Generator generator(13);
  return Tensor::randn(tensor.shape(), generator, {.dtype = tensor.dtype()});
}

struct PoolCase {
  const char* name;
  std::function<Tensor(const Tensor&)> pool;
  bool stays;
};

std::vector<PoolCase> pool_cases() {
  return {
      {"max_2",
       [](const Tensor& x) {
         return max_pool2d(x, {2, 2});
       },
       true},
      {"max_3_overlapping",
       [](const Tensor& x) {
         return max_pool2d(x, {3, 3}, {.stride = std::array<std::int64_t, 2>{2, 2}, .padding = {1, 1}});
       },
       true},
      {"max_dilated",
       [](const Tensor& x) {
         return max_pool2d(x, {2, 3}, {.dilation = {3, 2}});
       },
       true},
      {"avg_2_by_3",
       [](const Tensor& x) {
         return avg_pool2d(x, {2, 3});
       },
       true},
      {"avg_padded",
       [](const Tensor& x) {
         return avg_pool2d(x, {3, 3}, {.stride = std::array<std::int64_t, 2>{1, 2}, .padding = {1, 1}});
       },
       true},
      {"adaptive",
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {3, 2});
       },
       true},
      {"global",
       [](const Tensor& x) {
         return adaptive_avg_pool2d(x, {1, 1});
       },
       false},
  };
}

TEST(BlockedPool, MatchesContiguousImages) {
  Generator generator(7);
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t images : {1, 5, 16, 19}) {
      // Quarters, so that sums are exact and maxima tie.
      const Tensor values = Tensor::randint(-8, 9, {images, 3, 7, 6}, generator, {.dtype = dtype}) * 0.25;
      for (const PoolCase& c : pool_cases()) {
        const Tensor a = values.clone().requires_grad_(), b = values.clone().requires_grad_();
        const Tensor expected = c.pool(a), result = c.pool(blocked(b));
        EXPECT_EQ(result.memory_format(), c.stays ? MemoryFormat::Blocked : MemoryFormat::Contiguous) << c.name;
        if (c.stays) expect_empty_padding(result);
        expect_close(result, expected, 1e-6, c.name);
        const Tensor d_y = Tensor::randint(-3, 4, expected.shape(), generator, {.dtype = dtype});
        expected.backward(d_y);
        result.backward(d_y);
        expect_close(b.grad(), a.grad(), 1e-5, c.name);
      }
    }
  }
}

TEST(BlockedPool, RoundsAsContiguousImagesDo) {
  Generator generator(11);
  for (const DType dtype : {kFloat32, kFloat64}) {
    const Tensor values = Tensor::randn({19, 5, 7, 6}, generator, {.dtype = dtype});
    for (const PoolCase& c : pool_cases()) {
      for (const int threads : {1, 2, 3}) {
        const ThreadLimit limit(threads);
        const Tensor a = values.clone().requires_grad_(), b = values.clone().requires_grad_();
        const Tensor expected = c.pool(a), result = c.pool(blocked(b));
        EXPECT_TRUE(bit_equal(result.detach().contiguous(), expected.detach())) << c.name << ' ' << dtype;
        const Tensor d_y = normal_like(expected);
        expected.backward(d_y);
        result.backward(d_y);
        EXPECT_TRUE(bit_equal(b.grad(), a.grad())) << c.name << ' ' << dtype;
      }
    }
  }
}

TEST(BlockedPool, MaximaAreDifferentiableTwice) {
  Generator generator(12);
  const Tensor x = Tensor::randn({3, 2, 5, 4}, generator, {.dtype = kFloat64, .requires_grad = true});
  for (const PoolCase& c : pool_cases()) {
    if (std::string_view(c.name) == "max_dilated") continue;  // its window is higher than these images
    gradcheck([&](const std::vector<Tensor>& in) { return std::vector{c.pool(blocked(in[0]))}; }, {x},
              {.double_backward = true});
  }
}

TEST(BlockedPool, TakesTheFirstNaN) {
  Tensor x = Tensor::zeros({2, 1, 2, 2});
  x.data<float>()[2] = std::numeric_limits<float>::quiet_NaN();
  const Tensor in = x.requires_grad_();
  const Tensor y = max_pool2d(blocked(in), {2, 2});
  EXPECT_TRUE(std::isnan(y.contiguous().data<float>()[0]));
  y.backward(Tensor::ones({2, 1, 1, 1}));
  EXPECT_EQ(in.grad().to_vector<float>(), (std::vector<float>{0, 0, 1, 0, 1, 0, 0, 0}));
}

TEST(BlockedPool, MaximaAmongSpecialValuesAreThoseOfContiguousImages) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const double odd[] = {std::numeric_limits<double>::quiet_NaN(), kInf, -kInf, -0.0, 0.0, 1.0, 1.0};
  Generator generator(14);
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t kinds : {1, 3, 7}) {  // NaN alone; with infinities; all
      const Tensor values = Tensor::randn({9, 2, 9, 11}, generator, {.dtype = dtype});
      dispatch_floating(dtype, "test", [&]<class T>() {
        for (std::int64_t i = 0; i < values.numel(); i += 5) {
          const auto kind = static_cast<std::size_t>(generator.uniform_double() * static_cast<double>(kinds));
          values.data<T>()[i] = static_cast<T>(odd[kind]);
        }
      });
      for (const PoolCase& c : pool_cases()) {
        if (!std::string_view(c.name).starts_with("max")) continue;
        const Tensor a = values.clone().requires_grad_(), b = values.clone().requires_grad_();
        const Tensor expected = c.pool(a), result = c.pool(blocked(b));
        EXPECT_TRUE(bit_equal(result.detach().contiguous(), expected.detach())) << c.name << ' ' << kinds;
        const Tensor d_y = normal_like(expected);
        expected.backward(d_y);
        result.backward(d_y);
        EXPECT_TRUE(bit_equal(b.grad(), a.grad())) << c.name << ' ' << kinds;
      }
    }
  }
}

TEST(BlockedPool, GlobalMeanIsDifferentiableTwice) {
  Generator generator(8);
  gradcheck(
      [](const std::vector<Tensor>& in) {
        return std::vector{adaptive_avg_pool2d(blocked(in[0]), {1, 1})};
      },
      {Tensor::randn({3, 2, 2, 3}, generator, {.dtype = kFloat64, .requires_grad = true})}, {.double_backward = true});
}

}  // namespace
}  // namespace coppice
