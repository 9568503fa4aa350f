#include <algorithm>

#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/gather.h>
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
using testing::small_integers;

Tensor random_index(std::int64_t size, const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randint(0, size, shape, generator);
}

struct GatherCase {
  Shape input;
  int dim;
  Shape index;
};

const std::vector<GatherCase>& gather_cases() {
  static const std::vector<GatherCase> cases{{{5}, 0, {9}},
                                             {{5}, -1, {2}},
                                             {{1}, 0, {1}},
                                             {{3, 4}, 0, {6, 4}},
                                             {{3, 4}, 1, {2, 7}},
                                             {{2, 3, 4}, 1, {2, 5, 3}},
                                             {{2, 3, 4}, -1, {1, 3, 6}},
                                             {{2, 3, 4}, 0, {4, 2, 1}},
                                             {{2, 3, 4}, 1, {2, 0, 4}},
                                             {{3, 1, 2, 2}, 2, {2, 1, 5, 2}}};
  return cases;
}

/// `to` with body(element of `to`, element of `source`) for every element of the index, in row-major order.
template <class Body>
std::vector<double> naive_scatter(const GatherCase& c, const Tensor& to, const Tensor& index, const Tensor& source,
                                  Body body) {
  std::vector<double> result = to.to_vector<double>();
  const std::size_t along = static_cast<std::size_t>(c.dim < 0 ? c.dim + c.input.rank() : c.dim);
  testing::for_each_index(c.index, [&](const Index& i) {
    Index at = i;
    at[along] = static_cast<std::int64_t>(element_at(index, i));
    std::int64_t flat = 0;
    for (int d = 0; d < c.input.rank(); ++d) flat = flat * c.input[d] + at[static_cast<std::size_t>(d)];
    body(result[static_cast<std::size_t>(flat)], element_at(source, i));
  });
  return result;
}

TEST(Gather, MatchesPlainLoops) {
  for (const GatherCase& c : gather_cases()) {
    for (const DType dtype : testing::moved_dtypes()) {
      const Tensor x = counted(c.input, dtype);
      const Tensor index = random_index(c.input[c.dim], c.index, 3);
      const std::size_t along = static_cast<std::size_t>(c.dim < 0 ? c.dim + c.input.rank() : c.dim);
      const auto expected = [&](const Index& i) {
        Index at = i;
        at[along] = static_cast<std::int64_t>(element_at(index, i));
        return element_at(x, at);
      };
      expect_elements(gather(x, c.dim, index), c.index, expected);
      expect_elements(gather(x, c.dim, index.to(kInt32)), c.index, expected);
    }
  }
}

TEST(Gather, ReadsNonContiguousAndBlockedTensors) {
  const Tensor x = counted({4, 3, 2, 5});
  const Tensor index = random_index(2, {5, 2, 3, 4}, 1).permute({3, 2, 1, 0});
  EXPECT_TRUE(bit_equal(gather(x.permute({0, 1, 2, 3}), 2, index), gather(x, 2, index.contiguous())));
  EXPECT_TRUE(bit_equal(gather(x.transpose(1, 3), 1, Tensor::zeros({4, 1, 2, 3}, {.dtype = kInt64})),
                        x.transpose(1, 3).slice(1, 0, 1)));
  EXPECT_TRUE(bit_equal(gather(x.to(MemoryFormat::Blocked), 2, index), gather(x, 2, index)));
  EXPECT_TRUE(bit_equal(scatter(x.to(MemoryFormat::Blocked), 2, index, 1), scatter(x, 2, index, 1)));
}

TEST(Scatter, MatchesPlainLoops) {
  for (const GatherCase& c : gather_cases()) {
    for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
      const Tensor x = small_integers(c.input, 1, dtype);
      const Tensor index = random_index(c.input[c.dim], c.index, 2);
      const Tensor source = counted(c.index, dtype);
      EXPECT_EQ(scatter(x, c.dim, index, source).to_vector<double>(),
                naive_scatter(c, x, index, source, [](double& to, double from) { to = from; }));
      EXPECT_EQ(scatter(x, c.dim, index, 9).to_vector<double>(),
                naive_scatter(c, x, index, source, [](double& to, double) { to = 9; }));
      EXPECT_EQ(scatter_add(x, c.dim, index, source).to_vector<double>(),
                naive_scatter(c, x, index, source, [](double& to, double from) { to += from; }));
    }
  }
}

TEST(Scatter, ReadsThePartOfALargerSource) {
  const Tensor index = Tensor::of({0, 0, 1, 1}, Shape{2, 2}).to(kInt64);
  const Tensor source = counted({3, 5});
  EXPECT_EQ(scatter_add(Tensor::zeros({2, 2}), 0, index, source).to_vector<float>(), (std::vector<float>{0, 1, 5, 6}));
}

TEST(Scatter, LeavesItsInputAlone) {
  const Tensor x = Tensor::zeros({3});
  const Tensor index = Tensor::of({1, 1}).to(kInt64);
  scatter(x, 0, index, 4.0);
  scatter_add(x, 0, index, Tensor::ones({2}));
  EXPECT_EQ(sum(x).item<float>(), 0.0F);
}

TEST(Scatter, AddsInTheSameOrderForAnyNumberOfThreads) {
  const Tensor source = testing::normal({300000}, 5);
  const Tensor index = random_index(1000, {300000}, 6);
  testing::expect_same_for_any_threads([&] { return scatter_add(Tensor::zeros({1000}), 0, index, source); });
  testing::expect_same_for_any_threads([&] { return scatter(Tensor::zeros({1000}), 0, index, source); });
  const Tensor x = testing::normal({200, 100}, 7).requires_grad_();
  const Tensor rows = random_index(200, {400, 100}, 8);
  const Tensor d_output = testing::normal({400, 100}, 9);
  testing::expect_same_for_any_threads([&] {
    x.set_grad({});
    gather(x, 0, rows).backward(d_output);
    return x.grad();
  });
}

TEST(Gather, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 4}, 1);
  const Tensor index = random_index(3, {5, 2}, 4);
  check_gradients([&](auto& v) { return pow(gather(v[0], 0, index), 2.0); }, {x});
  const Tensor source = leaf({5, 3}, 2);
  check_gradients([&](auto& v) { return pow(scatter(v[0], 0, index, v[1]), 2.0); }, {x, source});
  check_gradients([&](auto& v) { return pow(scatter(v[0], 0, index, 1.5), 2.0); }, {x});
  check_gradients([&](auto& v) { return pow(scatter_add(v[0], 0, index, v[1]), 2.0); }, {x, source});
  check_gradients([&](auto& v) { return pow(take_along_dim(v[0], index.narrow(1, 0, 1), 0), 2.0); }, {x});
}

TEST(Gather, TakeAlongDimBroadcasts) {
  const Tensor x = counted({3, 4});
  const Tensor best = argmax(-x, 1, true);
  EXPECT_EQ(take_along_dim(x, best, 1).to_vector<float>(), (std::vector<float>{0, 4, 8}));
  const Tensor rows = Tensor::of({2, 0}, Shape{2, 1}).to(kInt64);
  expect_elements(take_along_dim(x, rows, 0), {2, 4}, [&](const Index& i) {
    return element_at(x, {i[0] == 0 ? 2 : 0, i[1]});
  });
  EXPECT_EQ(take_along_dim(x, Tensor::of({11, 5}).to(kInt64)).to_vector<float>(), (std::vector<float>{11, 5}));
}

TEST(Gather, ScalarsCountAsOneDimension) {
  const Tensor zero = Tensor::zeros({}, {.dtype = kInt64});
  EXPECT_EQ(gather(Tensor::full({}, 3.0), 0, zero).item<float>(), 3.0F);
  EXPECT_EQ(gather(counted({3}), 0, zero + 2).item<float>(), 2.0F);
}

TEST(Gather, ErrorsNamePositionValueAndSize) {
  const Tensor x = counted({3, 4});
  EXPECT_EQ(error_of([&] {
              return gather(x, 1, Tensor::of({0, 1, 2, 4}, Shape{2, 2}).to(kInt64));
            }),
            "[gather] index must lie in [0, 4); got 4 at position (1, 1) for dimension 1 of (3, 4)");
  EXPECT_EQ(error_of([&] {
              return scatter(x, 0, Tensor::of({-1}, Shape{1, 1}).to(kInt64), 0);
            }),
            "[scatter] index must lie in [0, 3); got -1 at position (0, 0) for dimension 0 of (3, 4)");
  EXPECT_EQ(error_of([&] {
              return gather(x, 1, Tensor::zeros({4, 1}, {.dtype = kInt64}));
            }),
            "[gather] index sizes must be at most the input's but along dimension 1; got input (3, 4), index (4, 1)");
  EXPECT_EQ(error_of([&] {
              return gather(x, 1, Tensor::zeros({1, 1}));
            }),
            "[gather] expects an index of int64 or int32; got float32 (1, 1)");
  const Tensor index = Tensor::zeros({2, 2}, {.dtype = kInt64});
  EXPECT_EQ(error_of([&] {
              return scatter_add(x, 0, index, Tensor::ones({2, 1}));
            }),
            "[scatter_add] expects a source of at least the index' sizes; got index (2, 2), source (2, 1)");
  EXPECT_NE(error_of([&] {
              return scatter(x, 0, index, Tensor::ones({2, 2}, {.dtype = kFloat64}));
            }).find("source of the input's dtype; got input float32 (3, 4), source float64 (2, 2)"),
            std::string::npos);
}

}  // namespace
}  // namespace coppice
