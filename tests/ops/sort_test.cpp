#include <algorithm>
#include <limits>
#include <numeric>

#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/gather.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/sort.h>

#include "tests/ops/rearrange_reference.h"

namespace coppice {
namespace {

using testing::check_gradients;
using testing::leaf;
using testing::small_integers;

/// The stable order of a row by comparisons, NaN as greatest.
std::vector<std::int64_t> naive_order(const std::vector<double>& row, bool descending) {
  std::vector<std::int64_t> order(row.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
    double a = row[static_cast<std::size_t>(i)];
    double b = row[static_cast<std::size_t>(j)];
    if (descending) std::swap(a, b);
    return std::isnan(b) ? !std::isnan(a) : a < b;
  });
  return order;
}

TEST(Sort, MatchesAStableSortOfEveryDtype) {
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool}) {
    for (const std::int64_t size : {1, 2, 7, 64, 65, 300}) {
      const Tensor x = (small_integers({3, size}, 5, kFloat64) * (dtype == kUInt8 ? -1.0 : 1.0)).to(dtype);
      for (const bool descending : {false, true}) {
        const auto [values, indices] = sort(x, -1, descending);
        for (std::int64_t row = 0; row < 3; ++row) {
          const std::vector<std::int64_t> expected = naive_order(x.select(0, row).to_vector<double>(), descending);
          ASSERT_EQ(indices.select(0, row).to_vector<std::int64_t>(), expected) << dtype << ' ' << size;
        }
        EXPECT_TRUE(bit_equal(values, gather(x, 1, indices)));
        EXPECT_EQ(values.dtype(), dtype);
        for (const std::int64_t k : {std::int64_t{0}, std::int64_t{1}, size / 10, size}) {
          const auto top = topk(x, k, 1, descending);
          EXPECT_TRUE(bit_equal(top.indices, indices.narrow(1, 0, k)));
          EXPECT_TRUE(bit_equal(top.values, values.narrow(1, 0, k)));
        }
      }
    }
  }
}

TEST(Sort, OrdersLargeAndSmallNumbers) {
  const double inf = std::numeric_limits<double>::infinity();
  const double nan = std::numeric_limits<double>::quiet_NaN();
  const std::vector<double> some{3, nan, -0.0, inf, 0.0, -1e300, 1e-310, -inf, -nan, 2};
  for (const std::size_t copies : {1U, 20U}) {
    std::vector<double> row;
    for (std::size_t i = 0; i < copies; ++i) row.insert(row.end(), some.begin(), some.end());
    for (const bool descending : {false, true}) {
      EXPECT_EQ(argsort(Tensor::of(row), 0, descending).to_vector<std::int64_t>(), naive_order(row, descending));
      const std::vector<std::int64_t> first = naive_order(row, descending);
      EXPECT_EQ(topk(Tensor::of(row), 4, 0, descending).indices.to_vector<std::int64_t>(),
                std::vector<std::int64_t>(first.begin(), first.begin() + 4));
    }
  }
  const std::vector<std::int64_t> wide{5,         -1, std::numeric_limits<std::int64_t>::min(),
                                       1LL << 40, 0,  std::numeric_limits<std::int64_t>::max()};
  EXPECT_EQ(argsort(Tensor::of(wide)).to_vector<int>(), (std::vector<int>{2, 1, 4, 0, 3, 5}));
}

TEST(Sort, AlongAnyDimensionOfAnyTensor) {
  const Tensor x = testing::normal({4, 70, 3, 2}, 2);
  const Tensor expected = sort(x.transpose(1, 3).contiguous(), 3).indices.transpose(1, 3);
  EXPECT_TRUE(bit_equal(argsort(x, 1), expected.contiguous()));
  EXPECT_TRUE(bit_equal(argsort(x, -3), argsort(x, 1)));
  EXPECT_TRUE(bit_equal(sort(x.to(MemoryFormat::Blocked), 1).values, sort(x, 1).values));
  EXPECT_EQ(sort(Tensor::empty({2, 0})).indices.shape(), (Shape{2, 0}));
  EXPECT_EQ(sort(Tensor::empty({0, 2}), 1).values.shape(), (Shape{0, 2}));
  EXPECT_EQ(sort(Tensor::full({}, 2.0)).values.item<float>(), 2.0F);
  EXPECT_EQ(topk(Tensor::full({}, 2.0), 1).indices.item<int>(), 0);
  testing::expect_same_for_any_threads([&] { return argsort(x, 0); });
}

TEST(Sort, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 5}, 3);
  check_gradients([](auto& v) { return pow(sort(v[0], 0, true).values, 3.0); }, {x});
  check_gradients([](auto& v) { return pow(topk(v[0], 2, 1).values, 3.0); }, {x});
  check_gradients([](auto& v) { return pow(topk(v[0].t(), 1, 0, false).values, 3.0); }, {x});
}

TEST(Sort, ErrorsNameTheShape) {
  EXPECT_EQ(error_of([] {
              topk(Tensor::ones({2, 3}), 4);
            }),
            "[topk] k must lie in [0, 3]; got 4 for dimension 1 of (2, 3)");
  EXPECT_NE(error_of([] { sort(Tensor::ones({2, 3}), 2); }).find("[sort]"), std::string::npos);
  EXPECT_NE(error_of([] { sort(Tensor::ones({2}).to(kBFloat16)); }).find("[sort] has no kernel for bfloat16"),
            std::string::npos);
}

TEST(Searchsorted, CountsWhatIsBelow) {
  const Tensor edges = Tensor::of({1.0, 2.0, 2.0, 5.0});
  const Tensor values = Tensor::of({0.0, 1.0, 2.0, 3.0, 5.0, 9.0}, Shape{2, 3});
  EXPECT_EQ(searchsorted(edges, values).to_vector<int>(), (std::vector<int>{0, 0, 1, 3, 3, 4}));
  EXPECT_EQ(searchsorted(edges, values, true).to_vector<int>(), (std::vector<int>{0, 1, 3, 3, 4, 4}));
  const Tensor rows = Tensor::of({1, 3, 5, 2, 4, 6}, Shape{2, 3});
  EXPECT_EQ(searchsorted(rows, Tensor::of({3, 6, 3, 6}, Shape{2, 2})).to_vector<int>(), (std::vector<int>{1, 3, 1, 2}));
  EXPECT_EQ(searchsorted(edges, Tensor::empty({0}, {.dtype = kFloat64})).shape(), Shape{0});
  const double nan = std::numeric_limits<double>::quiet_NaN();
  EXPECT_EQ(searchsorted(Tensor::of({1.0, nan}), Tensor::of({nan, 7.0})).to_vector<int>(), (std::vector<int>{1, 1}));
  EXPECT_NE(error_of([&] { return searchsorted(rows, values); }), "");
}

}  // namespace
}  // namespace coppice
