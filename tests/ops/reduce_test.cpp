#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

#include "tests/cases/reduce_cases.h"
#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using cases::reduce_cases;
using cases::ReduceCase;
using testing::check_gradients;
using testing::element_at;
using testing::leaf;
using testing::normal;
using testing::small_integers;

bool is_reduced(const ReduceCase& c, int dim) {
  for (const std::int64_t d : c.dims) {
    if (d == dim || d + c.shape.rank() == dim) return true;
  }
  return false;
}

/// Folds along the case's dimensions with plain loops, into the kept shape.
template <class Fold>
std::vector<double> naive(const ReduceCase& c, const Tensor& input, double start, Fold fold) {
  std::int64_t kept = 1;
  for (int d = 0; d < c.shape.rank(); ++d) kept *= is_reduced(c, d) ? 1 : c.shape[d];
  std::vector<double> result(static_cast<std::size_t>(kept), start);
  testing::for_each_index(c.shape, [&](const std::vector<std::int64_t>& i) {
    std::int64_t at = 0;
    for (int d = 0; d < c.shape.rank(); ++d) {
      if (!is_reduced(c, d)) at = at * c.shape[d] + i[static_cast<std::size_t>(d)];
    }
    double& slot = result[static_cast<std::size_t>(at)];
    slot = fold(slot, element_at(input, i));
  });
  return result;
}

TEST(Reduce, MatchesPlainLoopsExactlyOnSmallIntegers) {
  constexpr double kInf = std::numeric_limits<double>::infinity();
  for (const ReduceCase& c : reduce_cases()) {
    for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64}) {
      const Tensor x = small_integers(c.shape, 7, dtype);
      const auto label = [&] { return ::testing::Message() << c.shape << " along " << c.dims << ' ' << dtype; };
      EXPECT_EQ(sum(x, c.dims).to_vector<double>(), naive(c, x, 0.0, std::plus<>())) << label();
      EXPECT_EQ(amax(x, c.dims).to_vector<double>(),
                naive(c, x, -kInf, [](double a, double b) { return std::max(a, b); }))
          << label();
      EXPECT_EQ(amin(x, c.dims).to_vector<double>(),
                naive(c, x, kInf, [](double a, double b) { return std::min(a, b); }))
          << label();
      EXPECT_EQ(count_nonzero(x, c.dims).to_vector<double>(),
                naive(c, x, 0.0, [](double a, double b) { return a + (b != 0 ? 1 : 0); }))
          << label();
    }
  }
}

TEST(Reduce, OfANonContiguousTensorIsThatOfItsCopy) {
  const Tensor base = normal({6, 40, 9}, 3);
  for (const Tensor& x : {base.permute({2, 0, 1}), base.slice(1, 1, 40, 3), base.select(1, 0).expand({5, 6, 9})}) {
    for (const Dims& dims : {Dims{0}, Dims{1}, Dims{2}, Dims{0, 2}, Dims{}}) {
      EXPECT_TRUE(bit_equal(sum(x, dims), sum(x.contiguous(), dims)));
      EXPECT_TRUE(bit_equal(amax(x, dims), amax(x.contiguous(), dims)));
    }
  }
}

TEST(Reduce, SumOfFloatsIsAccurate) {
  const Tensor x = Tensor::full({3000001}, 0.1);
  const double expected = 3000001 * static_cast<double>(0.1F);
  EXPECT_NEAR(sum(x).item<double>(), expected, expected * 4e-6);
  const Tensor y = normal({5000, 31}, 5);
  const Tensor exact = sum(y.to(kFloat64), {0});
  const Tensor magnitude = sum(abs(y).to(kFloat64), {0});
  // Each element takes part in at most 128 + 40 rounded additions of one column.
  const Tensor error = abs(sum(y, {0}).to(kFloat64) - exact) / magnitude;
  EXPECT_LT(amax(error).item<double>(), 168 * 0x1p-24);
}

TEST(Reduce, IsTheSameForAnyNumberOfThreads) {
  for (const ReduceCase& c : cases::large_reduce_cases()) {
    const Tensor x = normal(c.shape, 9);
    testing::expect_same_for_any_threads([&] { return sum(x, c.dims); });
    testing::expect_same_for_any_threads([&] { return amax(x, c.dims); });
    testing::expect_same_for_any_threads([&] { return mean(x.to(kFloat64), c.dims); });
  }
}

TEST(Reduce, ShapesAndTypes) {
  const Tensor x = Tensor::ones({2, 3, 4});
  EXPECT_EQ(sum(x, {1}, true).shape(), (Shape{2, 1, 4}));
  EXPECT_EQ(sum(x, {-1, 0}).shape(), (Shape{3}));
  EXPECT_EQ(sum(x, {}, true).shape(), (Shape{1, 1, 1}));
  EXPECT_EQ(sum(x).shape(), Shape{});
  EXPECT_EQ(sum(Tensor::full({}, 4.0)).item<float>(), 4.0F);
  EXPECT_EQ(sum(Tensor::full({}, 4.0), {0}).item<float>(), 4.0F);
  EXPECT_EQ(sum(x.to(kUInt8)).dtype(), kInt64);
  EXPECT_EQ(sum(x > 0).item<std::int64_t>(), 24);
  EXPECT_EQ(amax(x > 0).dtype(), kBool);
  EXPECT_EQ(mean(x, {0, 1}).to_vector<float>(), (std::vector<float>{1, 1, 1, 1}));
}

TEST(Reduce, OfNothing) {
  const Tensor none = Tensor::empty({0, 3});
  EXPECT_EQ(sum(none).item<float>(), 0.0F);
  EXPECT_EQ(sum(none, {0}).to_vector<float>(), (std::vector<float>{0, 0, 0}));
  EXPECT_EQ(sum(none, {1}).shape(), (Shape{0}));
  EXPECT_TRUE(std::isnan(mean(none).item<float>()));
  EXPECT_EQ(amax(none, {1}).shape(), (Shape{0}));
  EXPECT_EQ(error_of([&] { return amax(none, {0}); }),
            "[amax] has no value for no elements; got (0, 3) reduced along (0)");
  EXPECT_EQ(argmax(none, 1).shape(), (Shape{0}));
  EXPECT_NE(error_of([&] { return argmax(none, 0); }), "");
}

TEST(Reduce, DoesNotShareElementsWithItsInput) {
  const Tensor x = Tensor::ones({1, 3});
  for (Tensor y : {sum(x, {0}), amax(x, {0}), sum(x.select(1, 0), {0}), mean(x, {0})}) y.zero_();
  EXPECT_EQ(sum(x).item<float>(), 3.0F);
}

TEST(Reduce, NanReachesExtremaWhereverItStands) {
  for (const std::int64_t length : {3, 70, 5000}) {
    for (const std::int64_t at : {std::int64_t{0}, length / 2, length - 1}) {
      Tensor x = normal({length}, 4);
      x.data<float>()[at] = std::numeric_limits<float>::quiet_NaN();
      EXPECT_TRUE(std::isnan(amax(x).item<float>())) << length << ' ' << at;
      EXPECT_TRUE(std::isnan(amin(x.unsqueeze(1), {0}).item<float>())) << length << ' ' << at;
      EXPECT_TRUE(std::isnan(amax(x.unsqueeze(1).expand({length, 2}), {0}).to_vector<float>()[1]));
      EXPECT_EQ(argmax(x).item<std::int64_t>(), at);
    }
  }
  const float inf = std::numeric_limits<float>::infinity();
  EXPECT_EQ(amax(Tensor::full({100}, -inf)).item<float>(), -inf);
}

TEST(Reduce, ArgmaxFindsTheFirst) {
  const Tensor x = Tensor::of({1, 3, 3, 0, 7, 7}, Shape{2, 3});
  EXPECT_EQ(argmax(x, 1).to_vector<int>(), (std::vector<int>{1, 1}));
  EXPECT_EQ(argmax(x, 0).to_vector<int>(), (std::vector<int>{0, 1, 1}));
  EXPECT_EQ(argmax(x.t(), 0, true).shape(), (Shape{1, 2}));
  EXPECT_EQ(argmax(x.t()).item<int>(), 3);
}

TEST(Reduce, GradientsOfFirstAndSecondOrder) {
  const Tensor x = leaf({3, 4, 2}, 1);
  check_gradients([](auto& v) { return pow(sum(v[0]), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(sum(v[0], {0, 2}), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(mean(v[0], {1}, true) - v[0], 2.0); }, {x});
  check_gradients([](auto& v) { return pow(amax(v[0], {1}), 2.0); }, {x});
  check_gradients([](auto& v) { return pow(amin(v[0], {0, 2}, true), 3.0); }, {x});
  check_gradients([](auto& v) { return pow(sum_to_shape(v[0], {4, 1}), 2.0); }, {x});
}

TEST(Reduce, TiesShareTheGradientEvenly) {
  const Tensor x = Tensor::of({1.0, 5.0, 5.0, 5.0, 2.0, 0.0}, Shape{2, 3}, {.dtype = kFloat64, .requires_grad = true});
  backward({amax(x, {1})}, {Tensor::of({1.0, 3.0})});
  EXPECT_EQ(x.grad().to_vector<double>(), (std::vector<double>{0, 0.5, 0.5, 3, 0, 0}));
}

TEST(Reduce, SumToShapeUndoesBroadcasting) {
  const Tensor x = small_integers({4, 3, 5}, 1);
  EXPECT_TRUE(sum_to_shape(x, {4, 3, 5}).is_same(x));
  EXPECT_TRUE(bit_equal(sum_to_shape(x, {3, 1}), sum(x, {0, 2}).reshape({3, 1})));
  EXPECT_TRUE(bit_equal(sum_to_shape(x, {}), sum(x)));
  EXPECT_EQ(error_of([&] {
              return sum_to_shape(x, {3, 2});
            }),
            "[sum_to_shape] expects a shape that broadcasts to the input's; got input (4, 3, 5), shape (3, 2)");
}

TEST(Reduce, ErrorsNameShapesAndDimensions) {
  const Tensor x = Tensor::ones({2, 3});
  EXPECT_EQ(error_of([&] { return sum(x, {1, -1}); }), "[sum] names a dimension twice; got dims (1, -1) for (2, 3)");
  EXPECT_NE(error_of([&] { return sum(x, {2}); }).find("[sum]"), std::string::npos);
  EXPECT_EQ(error_of([&] { return mean(x.to(kInt64)); }),
            "[mean] expects a floating dtype; got int64 (2, 3); cast with to(kFloat32)");
  EXPECT_NE(error_of([&] { return sum(x.to(kBFloat16)); }).find("[sum] has no kernel for bfloat16"), std::string::npos);
}

}  // namespace
}  // namespace coppice
