#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <memory>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor.h>
#include <coppice/core/tensor_impl.h>

#include "tests/error_of.h"

namespace coppice {
namespace {

TEST(Tensor, FactoriesFillWhatTheySay) {
  EXPECT_EQ(Tensor::ones({2, 3}).to_vector<float>(), std::vector<float>(6, 1.0F));
  EXPECT_EQ(Tensor::zeros({2, 2}, {.dtype = kInt32}).to_vector<std::int32_t>(), std::vector<std::int32_t>(4, 0));
  EXPECT_EQ(Tensor::full({3}, 2.5).to_vector<double>(), (std::vector<double>{2.5, 2.5, 2.5}));
  EXPECT_EQ(Tensor::arange(4).to_vector<std::int64_t>(), (std::vector<std::int64_t>{0, 1, 2, 3}));
  EXPECT_EQ(Tensor::eye(3).to_vector<float>(), (std::vector<float>{1, 0, 0, 0, 1, 0, 0, 0, 1}));
  EXPECT_EQ(Tensor::of({1.0F, 2.0F, 3.0F, 4.0F}, Shape{2, 2}).shape(), (Shape{2, 2}));
  EXPECT_EQ(Tensor::of({true, false}).dtype(), kBool);
  EXPECT_TRUE(Tensor::ones({1}, {.requires_grad = true}).requires_grad());
}

TEST(Tensor, ScalarsAndEmptyTensors) {
  const Tensor scalar = Tensor::full({}, 7.0);
  EXPECT_EQ(scalar.dim(), 0);
  EXPECT_EQ(scalar.numel(), 1);
  EXPECT_EQ(scalar.item<double>(), 7.0);
  const Tensor empty = Tensor::zeros({3, 0, 2});
  EXPECT_EQ(empty.numel(), 0);
  EXPECT_TRUE(empty.to_vector<float>().empty());
  EXPECT_THROW(empty.item<float>(), Error);
}

TEST(Tensor, RandomTensorsDependOnTheSeedAlone) {
  Generator first(11);
  Generator second(11);
  EXPECT_TRUE(bit_equal(Tensor::rand({5, 7}, first), Tensor::rand({5, 7}, second)));
  EXPECT_TRUE(bit_equal(Tensor::randn({9}, first), Tensor::randn({9}, second)));
  const std::vector<std::int64_t> drawn = Tensor::randint(-2, 3, {1000}, first).to_vector<std::int64_t>();
  EXPECT_EQ(*std::min_element(drawn.begin(), drawn.end()), -2);
  EXPECT_EQ(*std::max_element(drawn.begin(), drawn.end()), 2);
}

TEST(Tensor, TypedAccessChecksTheElementType) {
  const Tensor tensor = Tensor::ones({2, 3});
  EXPECT_EQ(tensor.data<float>()[5], 1.0F);
  EXPECT_NE(error_of([&] { tensor.data<double>(); }).find("[data]"), std::string::npos);
  EXPECT_NE(error_of([] { Tensor().shape(); }).find("defined"), std::string::npos);
}

TEST(Tensor, FromBlobSharesTheCallersMemory) {
  std::vector<float> buffer = {0, 1, 2, 3, 4, 5};
  int freed = 0;
  {
    Tensor wrapped = Tensor::from_blob(buffer.data(), {2, 3}, kFloat32, [&](void* data) {
      EXPECT_EQ(data, buffer.data());
      ++freed;
    });
    EXPECT_EQ(wrapped.data<float>(), buffer.data());
    buffer[4] = 40.0F;
    EXPECT_EQ(wrapped.to_vector<float>()[4], 40.0F);
    wrapped.fill_(9.0);
    const Tensor view = wrapped.select(0, 1);
    wrapped = Tensor();
    EXPECT_EQ(freed, 0);
    EXPECT_EQ(view.to_vector<float>(), std::vector<float>(3, 9.0F));
  }
  EXPECT_EQ(freed, 1);
  EXPECT_EQ(buffer[0], 9.0F);
}

TEST(Tensor, FromBlobReadsThroughStrides) {
  std::vector<double> column_major = {0, 1, 2, 3, 4, 5};  // a 2 × 3 matrix by columns
  const Tensor matrix = Tensor::from_blob(column_major.data(), {2, 3}, Strides{1, 2}, kFloat64);
  EXPECT_FALSE(matrix.is_contiguous());
  EXPECT_EQ(matrix.to_vector<double>(), (std::vector<double>{0, 2, 4, 1, 3, 5}));
  EXPECT_THROW(Tensor::from_blob(column_major.data(), {2, 3}, Strides{1}, kFloat64), Error);
  EXPECT_THROW(Tensor::from_blob(nullptr, {2, 3}, kFloat64), Error);
}

TEST(Tensor, CopyBroadcastsAndCasts) {
  Tensor target = Tensor::zeros({2, 3}, {.dtype = kFloat64});
  target.copy_(Tensor::of({1, 2, 3}));
  EXPECT_EQ(target.to_vector<double>(), (std::vector<double>{1, 2, 3, 1, 2, 3}));
  EXPECT_NE(error_of([&] { target.copy_(Tensor::ones({4})); }).find("(4)"), std::string::npos);
  EXPECT_EQ(Tensor::of({0.0F, -1.5F, 2.0F}).to(kBool).to_vector<float>(), (std::vector<float>{0, 1, 1}));
  EXPECT_EQ(Tensor::of({1.9F, -1.9F}).to(kInt64).to_vector<std::int64_t>(), (std::vector<std::int64_t>{1, -1}));
}

TEST(Tensor, HalfTypesRoundToNearestEven) {
  const Tensor values = Tensor::of({1.0F, 65504.0F, 65520.0F, 1.0F + 0x1p-11F, 1.0F + 3 * 0x1p-11F, 0x1p-24F});
  const std::vector<float> half = values.to(kFloat16).to_vector<float>();
  EXPECT_EQ(half[0], 1.0F);
  EXPECT_EQ(half[1], 65504.0F);
  EXPECT_EQ(half[2], std::numeric_limits<float>::infinity());
  EXPECT_EQ(half[3], 1.0F);                 // a tie, to even
  EXPECT_EQ(half[4], 1.0F + 2 * 0x1p-10F);  // a tie, to even
  EXPECT_EQ(half[5], 0x1p-24F);             // the smallest subnormal
  const std::vector<float> brain = Tensor::of({1.0F + 0x1p-8F, 1.0F + 3 * 0x1p-8F}).to(kBFloat16).to_vector<float>();
  EXPECT_EQ(brain[0], 1.0F);
  EXPECT_EQ(brain[1], 1.0F + 2 * 0x1p-7F);
  EXPECT_TRUE(std::isnan(Tensor::of({std::nanf("")}).to(kBFloat16).to_vector<float>()[0]));
}

TEST(Tensor, AddInPlaceReadsStridedAndBroadcastOperands) {
  Tensor sum = Tensor::zeros({2, 3});
  sum.add_(Tensor::arange(6, {.dtype = kFloat32}).view({3, 2}).t(), 2.0);
  EXPECT_EQ(sum.to_vector<float>(), (std::vector<float>{0, 4, 8, 2, 6, 10}));
  sum.add_(Tensor::of({10.0F, 20.0F, 30.0F}));
  EXPECT_EQ(sum.to_vector<float>(), (std::vector<float>{10, 24, 38, 12, 26, 40}));
  EXPECT_THROW(sum.add_(Tensor::ones({3}, {.dtype = kFloat64})), Error);
}

TEST(Tensor, InPlaceWritesCountVersions) {
  Tensor tensor = Tensor::zeros({4});
  const Tensor view = tensor.slice(0, 1, 3);
  const std::uint64_t before = view.version();
  tensor.fill_(1.0);
  EXPECT_GT(view.version(), before);
}

TEST(Tensor, PrintsShapeAndElidesTheMiddle) {
  EXPECT_EQ(Tensor::of({1, 2, 3, 4}, Shape{2, 2}).to_string(), "Tensor int32 (2, 2)\n[[1, 2],\n [3, 4]]");
  EXPECT_EQ(Tensor::arange(100).to_string(), "Tensor int64 (100)\n[0, 1, 2, ..., 97, 98, 99]");
  EXPECT_EQ(Tensor().to_string(), "Tensor undefined");
}

TEST(Tensor, BitEqualSeesSignsAndShapes) {
  EXPECT_TRUE(bit_equal(Tensor::ones({2}), Tensor::ones({2})));
  EXPECT_FALSE(bit_equal(Tensor::of({0.0F}), Tensor::of({-0.0F})));
  EXPECT_FALSE(bit_equal(Tensor::ones({2}), Tensor::ones({1, 2})));
  EXPECT_FALSE(bit_equal(Tensor::ones({2}), Tensor::ones({2}, {.dtype = kFloat64})));
}

}  // namespace
}  // namespace coppice
