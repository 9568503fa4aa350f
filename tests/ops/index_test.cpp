#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/embedding.h>
#include <coppice/ops/index.h>
#include <coppice/ops/masked.h>
#include <coppice/ops/reduce.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::counted;
using testing::element_at;
using testing::expect_elements;
using testing::Index;
using testing::leaf;

Tensor ints(const std::vector<int>& values, std::optional<Shape> shape = {}) {
  return Tensor::of(values, shape).to(kInt64);
}

TEST(IndexSelect, MatchesPlainLoops) {
  for (const DType dtype : testing::moved_dtypes()) {
    const Tensor x = counted({3, 4, 5}, dtype);
    const std::vector<int> places{2, 0, 0, 1, 2};
    for (int dim = -3; dim < 3; ++dim) {
      const std::size_t along = static_cast<std::size_t>(dim < 0 ? dim + 3 : dim);
      Shape shape = x.shape();
      shape[dim] = 5;
      for (const Tensor& y : {x, x.permute({2, 1, 0}).contiguous().permute({2, 1, 0})}) {
        expect_elements(index_select(y, dim, ints(places)), shape, [&](Index i) {
          i[along] = places[static_cast<std::size_t>(i[along])];
          return element_at(y, i);
        });
      }
    }
  }
  EXPECT_EQ(index_select(counted({3, 2}), 0, ints({})).shape(), (Shape{0, 2}));
  EXPECT_EQ(index_select(counted({3, 2}), 1, ints({1}, Shape{})).shape(), (Shape{3, 1}));
  EXPECT_EQ(error_of([] {
              return index_select(counted({3, 2}), 0, ints({0, 3}));
            }),
            "[index_select] index must lie in [0, 3); got 3 at position (1) for dimension 0 of (3, 2)");
}

TEST(IndexOp, PutsBroadcastDimensionsWhereNumPyDoes) {
  const Tensor x = counted({3, 4, 5});
  const Tensor i = ints({2, -3, 1});
  const Tensor j = ints({0, -1}, Shape{2, 1});
  const auto wrap = [](const Tensor& index, std::int64_t at, std::int64_t size) {
    const auto value = static_cast<std::int64_t>(index.to_vector<double>()[static_cast<std::size_t>(at)]);
    return value < 0 ? value + size : value;
  };
  expect_elements(index(x, {i}), {3, 4, 5}, [&](const Index& k) {
    return element_at(x, {wrap(i, k[0], 3), k[1], k[2]});
  });
  expect_elements(index(x, {i, j}), {2, 3, 5}, [&](const Index& k) {
    return element_at(x, {wrap(i, k[1], 3), wrap(j, k[0], 4), k[2]});
  });
  expect_elements(index(x, {Tensor(), i, j}), {3, 2, 3}, [&](const Index& k) {
    return element_at(x, {k[0], wrap(i, k[2], 4), wrap(j, k[1], 5)});
  });
  expect_elements(index(x, {i, Tensor(), j}), {2, 3, 4}, [&](const Index& k) {
    return element_at(x, {wrap(i, k[1], 3), k[2], wrap(j, k[0], 5)});
  });
  expect_elements(index(x, {Tensor(), ints({1}, Shape{})}), {3, 5}, [&](const Index& k) {
    return element_at(x, {k[0], 1, k[1]});
  });
  EXPECT_EQ(index(x, {Tensor(), ints({}, Shape{0, 2})}).shape(), (Shape{3, 0, 2, 5}));
  EXPECT_TRUE(bit_equal(index(x.transpose(0, 2), {i, j}), index(x.transpose(0, 2).contiguous(), {i, j})));
}

TEST(IndexOp, TakesBoolMasks) {
  const Tensor x = counted({3, 4, 2});
  const Tensor mask = eq(x.select(2, 0) - x.select(2, 0) / 3.0, 4.0) + (x.select(2, 0) > 17.0);
  const Tensor places = nonzero(mask);
  const Tensor expected = index(x, {places.select(1, 0), places.select(1, 1)});
  EXPECT_TRUE(bit_equal(index(x, {mask}), expected));
  EXPECT_EQ(index(x, {x > 20.0}).to_vector<float>(), (std::vector<float>{21, 22, 23}));
  EXPECT_EQ(index(x, {Tensor(), Tensor(), Tensor::of({false, true})}).shape(), (Shape{3, 4, 1}));
  EXPECT_EQ(index(x, {x > 100.0}).shape(), Shape{0});
}

TEST(IndexPut, WritesAndAccumulates) {
  const Tensor x = counted({3, 4});
  const Tensor rows = ints({2, 0, 2});
  const Tensor last = index_put(x, {rows}, ints({7, 8, 9}, Shape{3, 1}).to(kFloat32));
  EXPECT_EQ(last.to_vector<float>(), (std::vector<float>{8, 8, 8, 8, 4, 5, 6, 7, 9, 9, 9, 9}));
  const Tensor added = index_put(x, {Tensor(), ints({1, 1, -1})}, Tensor::ones({3}), true);
  EXPECT_EQ(added.to_vector<float>(), (std::vector<float>{0, 3, 2, 4, 4, 7, 6, 8, 8, 11, 10, 12}));
  EXPECT_EQ(index_put(x, {x > 9.0}, Tensor::full({}, -1.0)).to_vector<float>(),
            (std::vector<float>{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, -1, -1}));
  EXPECT_EQ(x.to_vector<float>(), counted({3, 4}).to_vector<float>());
  const Tensor cube = counted({2, 3, 4});
  const std::vector<Tensor> places{ints({1, 0}), Tensor(), ints({3, 2})};
  const Tensor round_trip = index_put(cube, places, index(cube, places) * 0.0 + 5.0);
  EXPECT_EQ(sum(eq(index(round_trip, places), 5.0)).item<int>(), 6);
  EXPECT_EQ(sum(ne(round_trip, cube)).item<int>(), 6);
}

TEST(IndexPut, AccumulatesInOneOrder) {
  Generator generator(4);
  const Tensor rows = Tensor::randint(0, 50, {20000}, generator);
  const Tensor values = testing::normal({20000, 7}, 5);
  testing::expect_same_for_any_threads([&] { return index_put(Tensor::zeros({50, 7}), {rows}, values, true); });
  testing::expect_same_for_any_threads([&] { return index_put(Tensor::zeros({50, 7}), {rows}, values); });
}

TEST(IndexOp, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 4, 2}, 1);
  const Tensor values = leaf({2, 2}, 2);
  const std::vector<Tensor> places{ints({0, 2}), ints({1, 1}, Shape{2, 1})};
  check_gradients([](auto& v) { return pow(index_select(v[0], 1, ints({3, 1, 3})), 2.0); }, {x});
  check_gradients([&](auto& v) { return pow(index(v[0], places), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(index(v[0], {Tensor(), ints({1, 1}), ints({0, 1})}), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(index(v[0], {v[0].detach() > 0.1}), 2.0); }, {x});
  check_gradients([&](auto& v) { return pow(index_put(v[0], places, v[1]), 2.0); }, {x, values});
  check_gradients(
      [&](auto& v) {
        return pow(index_put(v[0], {ints({1, 1}), ints({2, 2})}, v[1], true), 2.0);
      },
      {x, values});
  check_gradients([&](auto& v) { return pow(index_put(v[0], {Tensor(), ints({3, 3})}, v[1]), 2.0); }, {x, values});
}

TEST(IndexOp, ErrorsNamePositionAndShapes) {
  const Tensor x = counted({3, 4});
  EXPECT_EQ(error_of([&] {
              return index(x, {Tensor(), ints({0, -5})});
            }),
            "[index] index must lie in [-4, 4); got -5 at position (1) for dimension 1 of (3, 4)");
  EXPECT_EQ(
      error_of([&] {
        return index(x, {Tensor::of({true, false})});
      }),
      "[index] a bool index must have the sizes of the dimensions it stands for; got (2) at dimension 0 of (3, 4)");
  EXPECT_EQ(error_of([&] { return index(x, {ints({0, 1}), ints({0, 1, 2})}); }).find("[index]"), 0U);
  EXPECT_EQ(error_of([&] { return index(x, {}); }), "[index] expects at least one index; got none for (3, 4)");
  EXPECT_NE(error_of([&] { return index_put(x, {ints({0})}, Tensor::ones({2, 3})); }), "");
}

TEST(Nonzero, ListsCoordinatesInOrder) {
  const Tensor x = Tensor::of({0, 3, 0, -1, 0, 2}, Shape{2, 3});
  EXPECT_EQ(nonzero(x).to_vector<int>(), (std::vector<int>{0, 1, 1, 0, 1, 2}));
  EXPECT_EQ(nonzero(x.t()).to_vector<int>(), (std::vector<int>{0, 1, 1, 0, 2, 1}));
  EXPECT_EQ(nonzero(Tensor::ones({})).shape(), (Shape{1, 0}));
  EXPECT_EQ(nonzero(Tensor::zeros({2, 3})).shape(), (Shape{0, 2}));
}

TEST(Masked, FillsAndSelects) {
  const Tensor x = counted({2, 3});
  const Tensor columns = Tensor::of({true, false, true});
  EXPECT_EQ(masked_fill(x, columns, -1).to_vector<float>(), (std::vector<float>{-1, 1, -1, -1, 4, -1}));
  EXPECT_EQ(masked_fill(x.to(kUInt8), columns, 7.5).dtype(), kUInt8);
  EXPECT_EQ(masked_select(x, columns).to_vector<float>(), (std::vector<float>{0, 2, 3, 5}));
  EXPECT_EQ(masked_select(columns, x > 0.0).to_vector<float>(), (std::vector<float>{0, 1, 1, 0, 1}));
  EXPECT_EQ(masked_select(x, x > 9.0).shape(), Shape{0});
  const Tensor big = Tensor::full({}, 0.0, {.dtype = kInt64});
  EXPECT_EQ(masked_fill(big, Tensor::of({true}), (std::int64_t{1} << 60) + 1).to_vector<std::int64_t>()[0],
            (std::int64_t{1} << 60) + 1);
  const Tensor image = counted({2, 3, 2, 2});
  EXPECT_TRUE(
      bit_equal(masked_select(image.to(MemoryFormat::Blocked), image > 4.0), masked_select(image, image > 4.0)));
  EXPECT_EQ(error_of([&] { return masked_fill(x, x, 0); }),
            "[masked_fill] expects a bool mask; got float32 (2, 3) for (2, 3); compare with ne(mask, 0)");
  EXPECT_NE(error_of([&] { return masked_select(x, Tensor::of({true, false})); }).find("(2, 3)"), std::string::npos);
}

TEST(Masked, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({2, 3}, 3);
  const Tensor value = leaf({}, 4);
  const Tensor mask = Tensor::of({true, false, true});
  check_gradients([&](auto& v) { return pow(masked_fill(v[0], mask, 2.0), 2.0); }, {x});
  check_gradients([&](auto& v) { return pow(masked_fill(v[0], mask, v[1]), 2.0); }, {x, value});
  check_gradients([&](auto& v) { return pow(masked_select(v[0], mask), 2.0); }, {x});
}

TEST(Embedding, SelectsRows) {
  const Tensor weight = counted({4, 3});
  const Tensor words = ints({3, 0, 3, 1}, Shape{2, 2});
  expect_elements(embedding(words, weight), {2, 2, 3}, [&](const Index& i) {
    return element_at(weight, {static_cast<std::int64_t>(element_at(words, {i[0], i[1]})), i[2]});
  });
  EXPECT_TRUE(bit_equal(embedding(words, weight, {.padding_idx = -1}), embedding(words, weight)));
  EXPECT_EQ(embedding(ints({}), weight).shape(), (Shape{0, 3}));
  const Tensor learned = weight.clone().requires_grad_();
  sum(embedding(words, learned, {.padding_idx = 3})).backward();
  EXPECT_EQ(learned.grad().to_vector<float>(), (std::vector<float>{1, 1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(error_of([&] {
              return embedding(ints({1, 4}), weight);
            }),
            "[embedding] index must lie in [0, 4); got 4 at position (1) for dimension 0 of (4, 3)");
  EXPECT_EQ(error_of([&] { return embedding(words, weight, {.padding_idx = 4}); }),
            "[embedding] padding_idx must lie in [-4, 4); got 4 for weight (4, 3)");
}

TEST(Embedding, Gradients) {
  const Tensor weight = leaf({4, 3}, 5);
  const Tensor words = ints({3, 0, 3, 1}, Shape{2, 2});
  check_gradients([&](auto& v) { return pow(embedding(words, v[0]), 2.0); }, {weight});
  const Tensor large = testing::normal({64, 33}, 6).requires_grad_();
  Generator generator(7);
  const Tensor many = Tensor::randint(0, 64, {3000}, generator);
  testing::expect_same_for_any_threads([&] {
    large.set_grad({});
    embedding(many, large).backward(testing::normal({3000, 33}, 8));
    return large.grad();
  });
}

TEST(OneHot, CountsItsClasses) {
  EXPECT_EQ(one_hot(ints({2, 0})).to_vector<int>(), (std::vector<int>{0, 0, 1, 1, 0, 0}));
  EXPECT_EQ(one_hot(ints({1}, Shape{}), 3).to_vector<int>(), (std::vector<int>{0, 1, 0}));
  EXPECT_EQ(one_hot(ints({}), 3).shape(), (Shape{0, 3}));
  EXPECT_EQ(one_hot(ints({1, 1}, Shape{2, 1})).shape(), (Shape{2, 1, 2}));
  EXPECT_NE(error_of([] {
              return one_hot(ints({0, 3}), 3);
            }).find("[one_hot] index must lie in [0, 3); got 3 at position (1)"),
            std::string::npos);
  EXPECT_NE(error_of([] { return one_hot(ints({})); }), "");
}

}  // namespace
}  // namespace coppice
