#include <gtest/gtest.h>

#include <coppice/ops/cat.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/split.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::counted;
using testing::element_at;
using testing::expect_elements;
using testing::Index;
using testing::leaf;

TEST(Cat, MatchesPlainLoops) {
  for (const DType dtype : testing::moved_dtypes()) {
    for (int dim = -3; dim < 3; ++dim) {
      const std::size_t along = static_cast<std::size_t>(dim < 0 ? dim + 3 : dim);
      std::vector<Tensor> parts;
      Shape whole{3, 4, 5};
      whole[dim] = 0;
      for (const std::int64_t size : {2, 0, 1, 7}) {
        Shape shape{3, 4, 5};
        shape[dim] = size;
        parts.push_back(counted(shape, dtype) + size);
        whole[dim] += size;
      }
      expect_elements(cat(parts, dim), Shape(whole.span()), [&](Index index) {
        std::size_t part = 0;
        while (index[along] >= parts[part].size(dim)) index[along] -= parts[part++].size(dim);
        return element_at(parts[part], index);
      });
    }
  }
}

TEST(Cat, OfNonContiguousAndBlockedTensors) {
  const Tensor x = counted({4, 3, 2, 5});
  const Tensor y = x.permute({0, 1, 3, 2});
  EXPECT_TRUE(bit_equal(cat({y, y.slice(1, 0, 3, 2)}, 1), cat({y.contiguous(), y.slice(1, 0, 3, 2).contiguous()}, 1)));
  const Tensor blocked = x.to(MemoryFormat::Blocked);
  EXPECT_TRUE(bit_equal(cat({blocked, x}, 2), cat({x, x}, 2)));
  EXPECT_TRUE(bit_equal(stack({blocked, x}, 4), stack({x, x}, 4)));
}

TEST(Cat, PromotesAndSkipsNothings) {
  const Tensor x = Tensor::of({1, 2});
  EXPECT_EQ(cat({x, x.to(kFloat32), Tensor::empty({0})}).dtype(), kFloat32);
  EXPECT_EQ(cat({Tensor::empty({0}), Tensor::ones({2, 3})}, 1).shape(), (Shape{2, 3}));
  EXPECT_EQ(cat({Tensor::empty({0}), Tensor::empty({0})}).shape(), Shape{0});
  EXPECT_EQ(cat({Tensor::empty({2, 0}), Tensor::empty({2, 0})}, 1).shape(), (Shape{2, 0}));
  EXPECT_TRUE(bit_equal(cat({x.to(kBFloat16), x.to(kBFloat16)}).to(kFloat32), cat({x, x}).to(kFloat32)));
}

TEST(Cat, DoesNotShareElements) {
  const Tensor x = Tensor::ones({2, 2});
  cat({x}).zero_();
  EXPECT_EQ(sum(x).item<float>(), 4.0F);
}

TEST(Cat, GradientsOfFirstAndSecondOrder) {
  const std::vector<Tensor> x{leaf({2, 3}, 1), leaf({2, 1}, 2), leaf({2, 0}, 3)};
  check_gradients([](auto& v) { return pow(cat({v[0], v[1], v[2], v[0]}, -1), 2.0); }, x);
  check_gradients([](auto& v) { return pow(stack({v[0], v[0] * 2.0}, 1), 2.0); }, {x[0]});
  const Tensor narrow = Tensor::ones({2}).requires_grad_();
  sum(cat({narrow, Tensor::ones({3}, {.dtype = kFloat64})}) * 3.0).backward();
  EXPECT_EQ(narrow.grad().to_vector<float>(), (std::vector<float>{3, 3}));
  EXPECT_EQ(narrow.grad().dtype(), kFloat32);
}

TEST(Stack, AddsADimension) {
  const Tensor a = counted({2, 3});
  const Tensor b = a + 100;
  expect_elements(stack({a, b}, -1), {2, 3, 2}, [&](const Index& i) {
    return element_at(i[2] == 0 ? a : b, {i[0], i[1]});
  });
  EXPECT_EQ(stack({a, b, a}, 1).shape(), (Shape{2, 3, 3}));
  EXPECT_EQ(stack({sum(a), sum(b)}).to_vector<float>(), (std::vector<float>{15, 615}));
}

TEST(Cat, ErrorsNameBothShapes) {
  EXPECT_EQ(error_of([] { return cat({}); }), "[cat] expects at least one tensor; got none");
  EXPECT_EQ(error_of([] {
              return cat({Tensor::ones({2, 3}), Tensor::ones({2, 4})});
            }),
            "[cat] sizes must be equal but along dimension 0; got (2, 3) and (2, 4)");
  EXPECT_EQ(error_of([] {
              return cat({Tensor::ones({2, 3}), Tensor::ones({2})});
            }),
            "[cat] sizes must be equal but along dimension 0; got (2, 3) and (2)");
  EXPECT_NE(error_of([] { return cat({Tensor::ones({})}); }).find("got a scalar"), std::string::npos);
  EXPECT_EQ(error_of([] {
              return stack({Tensor::ones({2}), Tensor::ones({3})});
            }),
            "[stack] expects tensors of one shape; got (2) and (3)");
}

TEST(Split, IsUndoneByCat) {
  const Tensor x = counted({4, 7, 2});
  for (const int dim : {0, 1, 2, -2}) {
    for (const std::int64_t size : {1, 2, 3, 7, 9}) {
      const std::vector<Tensor> parts = split(x, size, dim);
      EXPECT_EQ(static_cast<std::int64_t>(parts.size()), (x.size(dim) + size - 1) / size);
      EXPECT_TRUE(bit_equal(cat(parts, dim), x));
    }
  }
  const std::vector<Tensor> uneven = split(x, std::vector<std::int64_t>{0, 5, 2}, 1);
  EXPECT_EQ(uneven[1].shape(), (Shape{4, 5, 2}));
  EXPECT_TRUE(bit_equal(cat(uneven, 1), x));
  EXPECT_EQ(uneven[1].impl()->storage.get(), x.impl()->storage.get());
  EXPECT_TRUE(bit_equal(stack(unbind(x.permute({2, 0, 1}), 1), 1), x.permute({2, 0, 1})));
  EXPECT_TRUE(bit_equal(split(x.reshape({4, 7, 2, 1}).to(MemoryFormat::Blocked), 3)[1], x.slice(0, 3, 4).unsqueeze(3)));
}

TEST(Split, ChunkAndUnbindFollowPyTorch) {
  const auto sizes = [](const std::vector<Tensor>& parts) {
    std::vector<std::int64_t> result;
    for (const Tensor& part : parts) result.push_back(part.size(0));
    return result;
  };
  EXPECT_EQ(sizes(chunk(counted({10}), 4)), (std::vector<std::int64_t>{3, 3, 3, 1}));
  EXPECT_EQ(sizes(chunk(counted({10}), 6)), (std::vector<std::int64_t>{2, 2, 2, 2, 2}));
  EXPECT_EQ(sizes(chunk(counted({0}), 3)), (std::vector<std::int64_t>{0, 0, 0}));
  EXPECT_EQ(sizes(split(counted({0}), 3)), (std::vector<std::int64_t>{0}));
  EXPECT_EQ(unbind(counted({3, 0}), 0).size(), 3U);
  EXPECT_TRUE(unbind(counted({0, 3}), 0).empty());
}

TEST(Split, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({5, 2}, 4);
  check_gradients(
      [](auto& v) {
        const std::vector<Tensor> parts = split(v[0], 2);
        return pow(parts[0], 2.0) * parts[1] + sum(parts[2]);
      },
      {x});
  check_gradients([](auto& v) { return pow(split(v[0], 2)[1], 3.0); }, {x});
  check_gradients([](auto& v) { return unbind(v[0], 1)[0] * unbind(v[0], 1)[1]; }, {x});
  check_gradients([](auto& v) { return pow(chunk(v[0], 3)[2], 2.0); }, {x});
}

TEST(Split, ErrorsNameTheSizes) {
  const Tensor x = counted({5, 2});
  EXPECT_EQ(error_of([&] { return split(x, 0); }), "[split] expects a positive split_size; got 0 for (5, 2)");
  EXPECT_EQ(error_of([&] {
              return split(x, std::vector<std::int64_t>{1, 2});
            }),
            "[split] sizes must sum to that of dimension 0; got 3 for (5, 2)");
  EXPECT_EQ(error_of([&] { return chunk(x, 0); }), "[chunk] expects at least one chunk; got 0 for (5, 2)");
  EXPECT_NE(error_of([] { return unbind(Tensor::ones({})); }).find("[unbind]"), std::string::npos);
}

}  // namespace
}  // namespace coppice
