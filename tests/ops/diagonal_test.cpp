#include <gtest/gtest.h>

#include <coppice/ops/diagonal.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/range.h>
#include <coppice/ops/view.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::counted;
using testing::element_at;
using testing::expect_elements;
using testing::Index;
using testing::leaf;

TEST(Diagonal, ViewsEveryDiagonal) {
  const Tensor x = counted({3, 4, 5});
  for (const Tensor& y : {x, x.permute({2, 0, 1})}) {
    for (std::int64_t offset = -6; offset <= 6; ++offset) {
      const std::int64_t rows = y.size(0);
      const std::int64_t columns = y.size(2);
      const std::int64_t length = std::max<std::int64_t>(
          0, std::min(rows - std::max<std::int64_t>(0, -offset), columns - std::max<std::int64_t>(0, offset)));
      const Tensor z = diagonal(y, offset, 0, -1);
      expect_elements(z, {y.size(1), length}, [&](const Index& i) {
        return element_at(y,
                          {i[1] + std::max<std::int64_t>(0, -offset), i[0], i[1] + std::max<std::int64_t>(0, offset)});
      });
      EXPECT_EQ(z.impl()->storage.get(), y.impl()->storage.get());
    }
  }
  EXPECT_EQ(diagonal(x, 0, 2, 1).shape(), (Shape{3, 4}));
  const Tensor image = counted({2, 2, 3, 3});
  EXPECT_TRUE(bit_equal(diagonal(image.to(MemoryFormat::Blocked), 1, 2, 3), diagonal(image, 1, 2, 3)));
  EXPECT_EQ(error_of([&] { return diagonal(x, 0, 1, -2); }),
            "[diagonal] expects two dimensions; got 1 and -2 for (3, 4, 5)");
}

TEST(Diagonal, DiagIsItsInverse) {
  const Tensor v = Tensor::of({1, 2});
  EXPECT_EQ(diag(v, 1).to_vector<int>(), (std::vector<int>{0, 1, 0, 0, 0, 2, 0, 0, 0}));
  EXPECT_EQ(diag(v, -1).to_vector<int>(), (std::vector<int>{0, 0, 0, 1, 0, 0, 0, 2, 0}));
  for (const std::int64_t offset : {-3, 0, 2}) EXPECT_TRUE(bit_equal(diag(diag(v, offset), offset), v));
  EXPECT_EQ(diag(Tensor::empty({0})).shape(), (Shape{0, 0}));
}

TEST(Triangle, KeepsOneSide) {
  const Tensor x = counted({2, 3, 4}) + 1.0;
  for (std::int64_t k = -4; k <= 5; ++k) {
    expect_elements(tril(x, k), x.shape(), [&](const Index& i) { return i[2] - i[1] <= k ? element_at(x, i) : 0.0; });
    expect_elements(triu(x.to(kInt32), k), x.shape(),
                    [&](const Index& i) { return i[2] - i[1] >= k ? element_at(x, i) : 0.0; });
  }
  EXPECT_EQ(tril(x.to(kUInt8)).dtype(), kUInt8);
  EXPECT_NE(error_of([] { return triu(Tensor::ones({3})); }).find("[triu] expects at least two"), std::string::npos);
}

TEST(Diagonal, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({2, 3, 3}, 1);
  check_gradients([](auto& v) { return pow(diagonal(v[0], 1, 1, 2), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(diagonal(v[0], -1, 2, 0), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(tril(v[0], -1) * triu(v[0].transpose(1, 2), 1), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(diag(v[0], 1), 2.0); }, {leaf({3}, 2)});
  check_gradients([](auto& v) { return pow(diag(v[0], -1), 2.0); }, {leaf({3, 3}, 2)});
}

TEST(Range, CountsAsPyTorchDoes) {
  EXPECT_EQ(arange(2, 9, 3).to_vector<int>(), (std::vector<int>{2, 5, 8}));
  EXPECT_EQ(arange(5, 0, -2).to_vector<int>(), (std::vector<int>{5, 3, 1}));
  EXPECT_EQ(arange(0, 3).dtype(), kInt64);
  EXPECT_EQ(arange(0.0, 3).dtype(), kFloat32);
  EXPECT_EQ(arange(0, 3, 1, kFloat64).dtype(), kFloat64);
  EXPECT_EQ(arange(0.0, 1.0, 0.25).to_vector<double>(), (std::vector<double>{0, 0.25, 0.5, 0.75}));
  EXPECT_EQ(arange(3, 3).shape(), Shape{0});
  EXPECT_NE(error_of([] { return arange(0, 3, -1); }).find("[arange] expects a step that leads"), std::string::npos);
  EXPECT_NE(error_of([] { return arange(0, 3, 0); }), "");
  EXPECT_EQ(linspace(-1, 1, 5).to_vector<double>(), (std::vector<double>{-1, -0.5, 0, 0.5, 1}));
  EXPECT_EQ(linspace(3, 7, 1).to_vector<double>(), (std::vector<double>{3}));
  EXPECT_EQ(linspace(3, 7, 0).shape(), Shape{0});
  EXPECT_EQ(linspace(0, 0.3, 4, kFloat64).to_vector<double>().back(), 0.3);
  EXPECT_EQ(linspace(0, 9, 4, kInt32).to_vector<int>(), (std::vector<int>{0, 3, 6, 9}));
}

TEST(Range, MeshgridExpandsOverAGrid) {
  const Tensor x = counted({3});
  const Tensor y = counted({2}) + 10.0;
  const auto ij = meshgrid({x, y});
  expect_elements(ij[0], {3, 2}, [&](const Index& i) { return element_at(x, {i[0]}); });
  expect_elements(ij[1], {3, 2}, [&](const Index& i) { return element_at(y, {i[1]}); });
  const auto xy = meshgrid({x, y, Tensor::full({}, 4.0)}, MeshIndexing::Xy);
  expect_elements(xy[0], {2, 3, 1}, [&](const Index& i) { return element_at(x, {i[1]}); });
  expect_elements(xy[1], {2, 3, 1}, [&](const Index& i) { return element_at(y, {i[0]}); });
  expect_elements(xy[2], {2, 3, 1}, [](const Index&) { return 4.0; });
  check_gradients(
      [](auto& v) {
        return meshgrid({v[0], v[1]})[0] * meshgrid({v[0], v[1]})[1];
      },
      {leaf({2}, 1), leaf({3}, 2)});
  EXPECT_NE(error_of([&] { meshgrid({ij[0]}); }).find("[meshgrid]"), std::string::npos);
}

TEST(View, FreeFunctions) {
  const Tensor x = counted({2, 3, 4, 5});
  EXPECT_TRUE(bit_equal(movedim(x, {1}, {-1}), x.permute({0, 2, 3, 1})));
  EXPECT_TRUE(bit_equal(movedim(x, {3, 0}, {0, 1}), x.permute({3, 0, 1, 2})));
  EXPECT_EQ(movedim(Tensor::ones({}), {}, {}).shape(), Shape{});
  EXPECT_EQ(squeeze(x.reshape({1, 6, 1, 20, 1})).shape(), (Shape{6, 20}));
  EXPECT_EQ(broadcast_to(x.select(0, 1), {7, 3, 4, 5}).shape(), (Shape{7, 3, 4, 5}));
  EXPECT_EQ(unflatten(x, 2, {2, -1}).shape(), (Shape{2, 3, 2, 2, 5}));
  EXPECT_TRUE(bit_equal(unflatten(x.flatten(1, 2), 1, {3, 4}), x));
  EXPECT_EQ(error_of([&] {
              return movedim(x, {0, 1}, {2, 2});
            }),
            "[movedim] names a dimension twice; got (0, 1) to (2, 2) for (2, 3, 4, 5)");
  EXPECT_NE(error_of([&] { return unflatten(x, 2, {3, -1}); }).find("[unflatten] cannot infer"), std::string::npos);
  check_gradients([](auto& v) { return pow(movedim(unflatten(v[0], 0, {2, 2}), {0}, {2}), 2.0); }, {leaf({4, 3}, 3)});
}

}  // namespace
}  // namespace coppice
