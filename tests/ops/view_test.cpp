#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::leaf;
using Ints = std::vector<std::int64_t>;

Tensor counted(const Shape& shape) { return Tensor::arange(shape.numel()).view(shape); }

TEST(View, SharesElementsAndKeepsTheirOrder) {
  const Tensor base = counted({2, 3, 4});
  const std::vector<Tensor> views{base.view({6, 4}),     base.view({2, -1}), base.reshape({-1}), base.flatten(),
                                  base.flatten(1, 2),    base.unsqueeze(1),  base.unsqueeze(-1), base.unsqueeze(0),
                                  base.view({1, 24, 1}), base.flatten(-2)};
  const std::vector<Shape> shapes{{6, 4},       {2, 12},      {24},         {24},       {2, 12},
                                  {2, 1, 3, 4}, {2, 3, 4, 1}, {1, 2, 3, 4}, {1, 24, 1}, {2, 12}};
  for (std::size_t i = 0; i < views.size(); ++i) {
    EXPECT_EQ(views[i].shape(), shapes[i]);
    EXPECT_EQ(views[i].raw_data(), base.raw_data());
    EXPECT_EQ(views[i].to_vector<std::int64_t>(), base.to_vector<std::int64_t>());
  }
}

TEST(View, OfAPermutedTensorMergesOnlyWhatLiesTogether) {
  const Tensor base = counted({2, 3, 4}).permute({2, 0, 1});  // strides (1, 12, 4)
  const Tensor merged = base.view({4, 6});                    // (2, 3) with strides (12, 4) is one run of 6
  EXPECT_EQ(merged.strides(), (Strides{1, 4}));
  EXPECT_EQ(merged.to_vector<std::int64_t>(), base.to_vector<std::int64_t>());
  EXPECT_EQ(base.view({2, 2, 6}).to_vector<std::int64_t>(), base.to_vector<std::int64_t>());
  EXPECT_EQ(error_of([&] { base.view({24}); }),
            "[view] expects elements that lie in memory in the wanted order; got (4, 2, 3) with strides (1, 12, 4) to "
            "(24); use reshape(), which copies");
  const Tensor copied = base.reshape({24});
  EXPECT_NE(copied.raw_data(), base.raw_data());
  EXPECT_EQ(copied.to_vector<std::int64_t>(), base.to_vector<std::int64_t>());
}

TEST(View, PermuteMovesElementsAsTheIndicesSay) {
  const Tensor base = counted({2, 3, 4});
  const Tensor permuted = base.permute({2, -3, 1});
  ASSERT_EQ(permuted.shape(), (Shape{4, 2, 3}));
  testing::for_each_index(permuted.shape(), [&](const Ints& i) {
    EXPECT_EQ(testing::element_at(permuted, i), static_cast<double>(i[1] * 12 + i[2] * 4 + i[0]));
  });
  EXPECT_EQ(base.transpose(0, -1).shape(), (Shape{4, 3, 2}));
  EXPECT_EQ(counted({2, 3}).t().to_vector<std::int64_t>(), (Ints{0, 3, 1, 4, 2, 5}));
}

TEST(View, SliceNarrowSelect) {
  const Tensor base = counted({4, 5});
  EXPECT_EQ(base.slice(1, 1, 5, 2).to_vector<std::int64_t>(), (Ints{1, 3, 6, 8, 11, 13, 16, 18}));
  EXPECT_EQ(base.slice(0, -1, 100).to_vector<std::int64_t>(), (Ints{15, 16, 17, 18, 19}));
  EXPECT_EQ(base.slice(0, 0, -3).shape(), (Shape{1, 5}));
  EXPECT_EQ(base.slice(1, 4, 2).shape(), (Shape{4, 0}));
  EXPECT_EQ(base.slice(1, 0, 5, 3).shape(), (Shape{4, 2}));
  EXPECT_EQ(base.narrow(1, -2, 2).slice(0, 1, 2).to_vector<std::int64_t>(), (Ints{8, 9}));
  EXPECT_EQ(base.select(1, -1).to_vector<std::int64_t>(), (Ints{4, 9, 14, 19}));
  EXPECT_EQ(base.select(0, 2).select(0, 3).item<int>(), 13);
}

TEST(View, ExpandRepeatsWithStrideZero) {
  const Tensor row = counted({1, 3});
  const Tensor wide = row.expand({2, 4, 3});
  EXPECT_EQ(wide.strides(), (Strides{0, 0, 1}));
  EXPECT_EQ(wide.select(0, 1).to_vector<std::int64_t>(), (Ints{0, 1, 2, 0, 1, 2, 0, 1, 2, 0, 1, 2}));
  EXPECT_EQ(row.expand({0, 3}).numel(), 0);
}

TEST(View, ContiguousAndCloneCopyOnlyWhenTheyMust) {
  const Tensor base = counted({2, 3});
  EXPECT_TRUE(base.contiguous().is_same(base));
  EXPECT_NE(base.clone().raw_data(), base.raw_data());
  const Tensor turned = base.t().contiguous();
  EXPECT_TRUE(turned.is_contiguous());
  EXPECT_EQ(turned.to_vector<std::int64_t>(), (Ints{0, 3, 1, 4, 2, 5}));
  EXPECT_TRUE(base.to(kInt64).is_same(base));
  EXPECT_EQ(Tensor::of({0.5, -2.0}).to(kBool).dtype(), kBool);
  EXPECT_TRUE(base.to(kCpu).is_same(base));
}

TEST(View, ScalarsAndEmptyTensors) {
  const Tensor scalar = Tensor::full({}, 3.0);
  EXPECT_EQ(scalar.view({1, 1}).shape(), (Shape{1, 1}));
  EXPECT_EQ(scalar.flatten().shape(), (Shape{1}));
  EXPECT_EQ(scalar.unsqueeze(0).squeeze(0).shape(), Shape{});
  EXPECT_EQ(scalar.permute({}).shape(), Shape{});
  EXPECT_EQ(scalar.expand({2}).to_vector<float>(), (std::vector<float>{3, 3}));
  const Tensor empty = Tensor::empty({0, 3});
  EXPECT_EQ(empty.t().reshape({0}).shape(), (Shape{0}));
  EXPECT_EQ(empty.view({3, 0, 2}).shape(), (Shape{3, 0, 2}));
  EXPECT_EQ(empty.clone().shape(), (Shape{0, 3}));
}

TEST(View, GradientsAreTheOppositeViews) {
  const Tensor x = leaf({2, 3, 4}, 1);
  const auto squared = [](const Tensor& y) { return y * y; };
  check_gradients([&](auto& v) { return squared(v[0].view({6, 4})); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].permute({2, 0, 1}).reshape({8, 3})); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].transpose(0, 2).contiguous()); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].slice(2, 0, 4, 3).select(1, 1)); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].narrow(1, 1, 2).unsqueeze(0).squeeze(0)); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].unsqueeze(1).expand({2, 2, 3, 4})); }, {x});
  check_gradients([&](auto& v) { return squared(v[0].clone().flatten(1)); }, {x});
}

TEST(View, GradientPassesCasts) {
  const Tensor x = Tensor::of({1.0F, 2.0F}, {}, {.requires_grad = true});
  const Tensor y = x.to(kFloat64) * 3.0;
  EXPECT_EQ(y.dtype(), kFloat64);
  sum(y).backward();
  EXPECT_EQ(x.grad().dtype(), kFloat32);
  EXPECT_EQ(x.grad().to_vector<float>(), (std::vector<float>{3, 3}));
  EXPECT_FALSE(x.to(kInt64).requires_grad());
}

TEST(View, ErrorsNameTheShapes) {
  const Tensor x = counted({2, 3});
  EXPECT_EQ(error_of([&] {
              x.view({4, 2});
            }),
            "[view] expects the same number of elements; got (2, 3) (6) to (4, 2) (8)");
  EXPECT_EQ(error_of([&] { x.reshape({-1, 4}); }), "[reshape] cannot infer the size -1; got (2, 3) to (-1, 4)");
  EXPECT_EQ(error_of([&] { x.reshape({-1, -1}); }), "[reshape] at most one size may be -1; got (-1, -1)");
  EXPECT_EQ(error_of([&] { x.permute({0, 0}); }), "[permute] names a dimension twice; got (0, 0) for (2, 3)");
  EXPECT_EQ(error_of([&] {
              x.expand({2, 4});
            }),
            "[expand] sizes must be equal or 1, aligned at the end; got (2, 3) to (2, 4)");
  EXPECT_EQ(error_of([&] { x.narrow(1, 2, 2); }),
            "[narrow] range leaves dimension 1; got start 2, length 2 for (2, 3)");
  EXPECT_EQ(error_of([&] { x.select(0, 2); }), "[select] index must lie in [-2, 2); got 2 for dimension 0 of (2, 3)");
  EXPECT_NE(error_of([&] { x.slice(0, 0, 2, 0); }).find("[slice] expects a positive step"), std::string::npos);
  EXPECT_NE(error_of([&] { x.unsqueeze(0).t(); }).find("[t] expects a matrix; got (1, 2, 3)"), std::string::npos);
  EXPECT_NE(error_of([] { Tensor().view({1}); }), "");
}

}  // namespace
}  // namespace coppice
