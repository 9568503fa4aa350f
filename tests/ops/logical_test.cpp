#include <limits>

#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/logical.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using Truth = std::vector<bool>;

TEST(Logical, TellsWhatNumbersAre) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  const Tensor x = Tensor::of({0.0, 1.0, kInf, -kInf, std::numeric_limits<double>::quiet_NaN()});
  for (const DType dtype : {kFloat32, kFloat64}) {
    EXPECT_EQ(isnan(x.to(dtype)).to_vector<bool>(), (Truth{false, false, false, false, true}));
    EXPECT_EQ(isinf(x.to(dtype)).to_vector<bool>(), (Truth{false, false, true, true, false}));
    EXPECT_EQ(isfinite(x.to(dtype)).to_vector<bool>(), (Truth{true, true, false, false, false}));
  }
  const Tensor i = Tensor::of({0, 5});
  EXPECT_EQ(isnan(i).to_vector<bool>(), (Truth{false, false}));
  EXPECT_EQ(isinf(i).to_vector<bool>(), (Truth{false, false}));
  EXPECT_EQ(isfinite(i > 0).to_vector<bool>(), (Truth{true, true}));
}

TEST(Logical, OfTruthIsTheTableForEveryType) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool}) {
    const Tensor a = Tensor::of({0.0, 0.0, 2.0, 3.0}).to(dtype), b = Tensor::of({0.0, 4.0, 0.0, 1.0}).to(dtype);
    EXPECT_EQ(logical_and(a, b).to_vector<bool>(), (Truth{false, false, false, true})) << dtype;
    EXPECT_EQ(logical_or(a, b).to_vector<bool>(), (Truth{false, true, true, true})) << dtype;
    EXPECT_EQ(logical_xor(a, b).to_vector<bool>(), (Truth{false, true, true, false})) << dtype;
    EXPECT_EQ(logical_not(a).to_vector<bool>(), (Truth{true, true, false, false})) << dtype;
  }
  EXPECT_TRUE(logical_and(Tensor::full({}, nan), Tensor::of({1})).to_vector<bool>()[0]);
  EXPECT_EQ(logical_or(Tensor::ones({3, 1}), Tensor::ones({4}) > 0).shape(), (Shape{3, 4}));
}

TEST(Logical, OfBitsIsTheLanguages) {
  for (const DType dtype : {kInt32, kInt64, kUInt8}) {
    const Tensor a = Tensor::of({12, 10, 255, 0}).to(dtype), b = Tensor::of({10, 3, 170, 77}).to(dtype);
    EXPECT_EQ(bitwise_and(a, b).to_vector<int>(), (std::vector<int>{8, 2, 170, 0})) << dtype;
    EXPECT_EQ(bitwise_or(a, b).to_vector<int>(), (std::vector<int>{14, 11, 255, 77})) << dtype;
    EXPECT_EQ(bitwise_xor(a, b).to_vector<int>(), (std::vector<int>{6, 9, 85, 77})) << dtype;
    EXPECT_EQ(bitwise_and(a, 6).to_vector<int>(), (std::vector<int>{4, 2, 6, 0})) << dtype;
    EXPECT_TRUE(bit_equal(bitwise_not(bitwise_not(a)), a)) << dtype;
  }
  EXPECT_EQ(bitwise_not(Tensor::of({0, -6})).to_vector<int>(), (std::vector<int>{-1, 5}));
  const Tensor truth = Tensor::of({0, 1}) > 0;
  EXPECT_EQ(bitwise_not(truth).to_vector<bool>(), (Truth{true, false}));
  EXPECT_EQ(bitwise_xor(truth, bitwise_not(truth)).to_vector<bool>(), (Truth{true, true}));
  EXPECT_EQ(bitwise_or(truth, truth).dtype(), kBool);
}

TEST(Logical, ErrorsNameShapes) {
  const Tensor x = Tensor::ones({2, 3});
  EXPECT_EQ(error_of([&] { return bitwise_and(x, Tensor::of({1})); })
                .find("[bitwise_and] expects integers or bools; got "
                      "float32 (2, 3) and int"),
            0U);
  EXPECT_NE(error_of([&] { return bitwise_not(x); }).find("[bitwise_not]"), std::string::npos);
  EXPECT_NE(error_of([&] { return bitwise_or(Tensor::of({1}), 0.5); }).find("floating number"), std::string::npos);
  EXPECT_NE(error_of([&] { return logical_and(x, Tensor::ones({4})); }).find("[logical_and]"), std::string::npos);
}

}  // namespace
}  // namespace coppice
