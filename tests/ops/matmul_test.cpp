#include <coppice/ops/matmul.h>

#include <gtest/gtest.h>

#include <vector>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>

#include "tests/autograd/leak_check.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

const TensorOptions kLeaf{.dtype = kFloat64, .requires_grad = true};

std::vector<Tensor> multiply(const std::vector<Tensor>& in) { return {matmul(in[0], in[1])}; }

/// Element (i, j) of the product of two matrices, by one plain loop.
double naive_element(const Tensor& a, const Tensor& b, std::int64_t i, std::int64_t j) {
  double sum = 0.0;
  for (std::int64_t p = 0; p < a.size(1); ++p) {
    sum += a.select(0, i).select(0, p).item<double>() * b.select(0, p).select(0, j).item<double>();
  }
  return sum;
}

void expect_product(const Tensor& a, const Tensor& b) {
  const Tensor c = matmul(a, b);
  ASSERT_EQ(c.shape(), (Shape{a.size(0), b.size(1)}));
  for (std::int64_t i = 0; i < c.size(0); ++i) {
    for (std::int64_t j = 0; j < c.size(1); ++j) {
      EXPECT_EQ(c.select(0, i).select(0, j).item<double>(), naive_element(a, b, i, j)) << i << ' ' << j;
    }
  }
}

TEST(Matmul, ReadsViewsOfAnyStrides) {
  Generator generator(1);
  const auto integers = [&](const Shape& shape) { return Tensor::randint(-3, 4, shape, generator).to(kFloat32); };
  expect_product(integers({5, 7}), integers({7, 6}));
  expect_product(integers({7, 5}).t(), integers({7, 6}));
  expect_product(integers({5, 7}), integers({6, 7}).t());
  expect_product(integers({7, 5}).t(), integers({6, 7}).t());
  expect_product(integers({5, 20}).narrow(1, 3, 7), integers({9, 6}).narrow(0, 1, 7));
  expect_product(integers({5, 14}).slice(1, 0, 14, 2), integers({7, 6}));
  expect_product(integers({1, 7}).expand({5, 7}), integers({7, 1}).expand({7, 6}));
  expect_product(integers({5, 1}), integers({1, 6}));
  expect_product(integers({5, 7}).narrow(1, 2, 1), integers({4, 6}).narrow(0, 2, 1));
}

TEST(Matmul, VectorsAreRowsAndColumnsWhoseDimensionIsDropped) {
  const Tensor matrix = Tensor::of<float>({1, 2, 3, 4, 5, 6}, Shape{2, 3});
  const Tensor three = Tensor::of<float>({1, 0, -1}), two = Tensor::of<float>({2, 1});
  EXPECT_EQ(matmul(three, three).shape(), Shape{});
  EXPECT_EQ(matmul(three, three).item<float>(), 2.0F);
  EXPECT_EQ(matmul(matrix, three).to_vector<float>(), (std::vector<float>{-2, -2}));
  EXPECT_EQ(matmul(two, matrix).to_vector<float>(), (std::vector<float>{6, 9, 12}));
  EXPECT_EQ(matmul(Tensor::ones({4, 2, 3}), three).shape(), (Shape{4, 2}));
}

TEST(Matmul, BatchesBroadcast) {
  Generator generator(2);
  const Tensor a = Tensor::randint(-3, 4, {2, 1, 3, 4}, generator).to(kFloat64);
  const Tensor b = Tensor::randint(-3, 4, {5, 4, 2}, generator).to(kFloat64);
  const Tensor c = matmul(a, b);
  ASSERT_EQ(c.shape(), (Shape{2, 5, 3, 2}));
  for (std::int64_t i = 0; i < 2; ++i) {
    for (std::int64_t j = 0; j < 5; ++j) {
      EXPECT_TRUE(
          bit_equal(c.select(0, i).select(0, j).contiguous(), matmul(a.select(0, i).select(0, 0), b.select(0, j))))
          << i << ' ' << j;
    }
  }
  EXPECT_EQ(matmul(Tensor::ones({6, 3, 4}), Tensor::ones({4, 2})).shape(), (Shape{6, 3, 2}));
}

TEST(Matmul, EmptyOperandsGiveEmptyOrZeroProducts) {
  EXPECT_EQ(matmul(Tensor::zeros({0, 3}), Tensor::zeros({3, 2})).shape(), (Shape{0, 2}));
  EXPECT_EQ(matmul(Tensor::zeros({2, 0}), Tensor::zeros({0, 3})).to_vector<float>(), std::vector<float>(6, 0.0F));
  EXPECT_EQ(matmul(Tensor::zeros({0, 2, 3}), Tensor::zeros({3, 4})).shape(), (Shape{0, 2, 4}));
  EXPECT_EQ(matmul(Tensor::zeros({2, 3, 0}), Tensor::zeros({0, 4})).to_vector<float>(), std::vector<float>(24, 0.0F));
}

TEST(Matmul, GradientsAgreeWithDifferencesTwice) {
  Generator generator(3);
  const auto leaf = [&](const Shape& shape) { return Tensor::randn(shape, generator, kLeaf); };
  gradcheck(multiply, {leaf({3, 4}), leaf({4, 2})}, {.double_backward = true});
  gradcheck(multiply, {leaf({4}), leaf({4})}, {.double_backward = true});
  gradcheck(multiply, {leaf({3, 4}), leaf({4})}, {.double_backward = true});
  gradcheck(multiply, {leaf({4}), leaf({4, 2})}, {.double_backward = true});
  gradcheck(multiply, {leaf({2, 3, 4}), leaf({4, 2})}, {.double_backward = true});
  gradcheck(multiply, {leaf({2, 1, 3, 4}), leaf({3, 4, 2})}, {.double_backward = true});
  gradcheck([](const std::vector<Tensor>& in) { return std::vector<Tensor>{matmul(in[0].t(), in[1].t())}; },
            {leaf({4, 3}), leaf({2, 4})}, {.double_backward = true});
}

TEST(Matmul, IsBitwiseTheSameForAnyNumberOfThreads) {
  Generator generator(4);
  const Tensor a = Tensor::randn({20, 60, 70}, generator), b = Tensor::randn({20, 70, 50}, generator);
  const int before = num_threads();
  set_num_threads(1);
  const Tensor alone = matmul(a, b);
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    EXPECT_TRUE(bit_equal(matmul(a, b), alone)) << threads << " threads";
  }
  set_num_threads(before);
}

TEST(Matmul, FreesWhatItSaves) {
  Generator generator(5);
  expect_no_leak(multiply, {Tensor::randn({3, 4}, generator, kLeaf), Tensor::randn({4, 2}, generator, kLeaf)});
}

TEST(Matmul, SaysWhatDoesNotFit) {
  EXPECT_EQ(error_of([] {
              matmul(Tensor::zeros({2, 3}), Tensor::zeros({4, 5}));
            }),
            "[matmul] the last dimension of the left operand, 3, must equal the rows of the right, 4: (2, 3) and "
            "(4, 5)");
  EXPECT_EQ(error_of([] {
              matmul(Tensor::zeros({2, 3}), Tensor::zeros({3}, {.dtype = kFloat64}));
            }),
            "[matmul] expects one floating dtype; got float32 and float64; cast with to(…)");
  const Tensor dense = Tensor::ones({3, 3});
  EXPECT_EQ(error_of([&] {
              matmul(dense, Tensor::masked(dense, Mask::all({3, 3})));
            }),
            "[matmul] expects dense tensors; got strided (3, 3) and masked (3, 3); use linear, or to_dense()");
}

}  // namespace
}  // namespace coppice
