#include <coppice/ops/attention.h>

#include <limits>

#include <gtest/gtest.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

#include "tests/ops/op_testing.h"

namespace coppice {
namespace {

using testing::leaf;
using testing::normal;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor random_pairs(const Shape& shape, std::uint64_t seed) { return normal(shape, seed) > -0.3; }

/// The element of a tensor at an index, batches broadcasting, with the last two replaced.
double read(const Tensor& x, std::vector<std::int64_t> index, std::int64_t row, std::int64_t column) {
  index[index.size() - 2] = row;
  index[index.size() - 1] = column;
  return testing::element_at(x, index);
}

/// Attention at each element of the result (shape), by the definition.
std::vector<double> naive_attention(const Shape& shape, const Tensor& query, const Tensor& key, const Tensor& value,
                                    const Tensor& mask, bool is_causal, double scale) {
  std::vector<double> result;
  const Tensor wide_mask = mask.defined() ? mask.to(kFloat64) : mask;
  testing::for_each_index(shape, [&](const std::vector<std::int64_t>& at) {
    const std::int64_t row = at[at.size() - 2];
    double total = 0.0, weighted = 0.0;
    for (std::int64_t j = 0; j < key.size(-2); ++j) {
      double score = 0.0;
      for (std::int64_t e = 0; e < query.size(-1); ++e) score += read(query, at, row, e) * read(key, at, j, e);
      score *= scale;
      if (mask.defined()) {
        const double m = read(wide_mask, at, row, j);
        score = mask.dtype() != kBool ? score + m : m != 0.0 ? score : -kInfinity;
      }
      if (is_causal && j > row) score = -kInfinity;
      total += std::exp(score);
      weighted += std::exp(score) * read(value, at, j, at.back());
    }
    result.push_back(total > 0.0 ? weighted / total : 0.0);
  });
  return result;
}

void expect_attention(const Shape& shape, const Tensor& query, const Tensor& key, const Tensor& value,
                      const Tensor& mask = {}, const AttentionOptions& options = {}) {
  const Tensor got = scaled_dot_product_attention(query, key, value, mask, options);
  ASSERT_EQ(got.shape(), shape);
  const double scale = options.scale.value_or(1.0 / std::sqrt(static_cast<double>(query.size(-1))));
  const auto expected = naive_attention(shape, query, key, value, mask, options.is_causal, scale);
  const auto values = got.to(kFloat64).to_vector<double>();
  const double tolerance = query.dtype() == kFloat64 ? 1e-13 : 3e-6;
  for (std::size_t i = 0; i < values.size(); ++i) ASSERT_NEAR(values[i], expected[i], tolerance) << i;
}

TEST(Attention, IsTheWeightedMeanOfValues) {
  for (const DType dtype : {kFloat32, kFloat64}) {
    expect_attention({5, 3}, normal({5, 4}, 1, dtype), normal({7, 4}, 2, dtype), normal({7, 3}, 3, dtype));
    expect_attention({2, 3, 9, 8}, normal({2, 3, 9, 8}, 1, dtype), normal({2, 3, 17, 8}, 2, dtype),
                     normal({2, 3, 17, 8}, 3, dtype));
    expect_attention({1, 1}, normal({1, 1}, 1, dtype), normal({1, 1}, 2, dtype), normal({1, 1}, 3, dtype));
  }
}

TEST(Attention, BatchesBroadcast) {
  const auto of = [](const Shape& shape, std::uint64_t seed) { return normal(shape, seed, kFloat64); };
  expect_attention({2, 3, 4, 5}, of({2, 1, 4, 6}, 1), of({3, 7, 6}, 2), of({7, 5}, 3));
  expect_attention({2, 3, 4, 5}, of({4, 6}, 1), of({3, 7, 6}, 2), of({2, 1, 7, 5}, 3));
  expect_attention({2, 3, 4, 5}, of({2, 1, 4, 6}, 1), of({3, 7, 6}, 2), of({7, 5}, 3), random_pairs({2, 1, 4, 7}, 4));
}

TEST(Attention, ScalesAsTold) {
  const Tensor q = normal({5, 4}, 1, kFloat64), k = normal({7, 4}, 2, kFloat64), v = normal({7, 3}, 3, kFloat64);
  for (const double scale : {0.0, 0.3, 2.0}) expect_attention({5, 3}, q, k, v, {}, {.scale = scale});
}

TEST(Attention, MasksForbidAndAdd) {
  const Tensor q = normal({2, 5, 4}, 1, kFloat64), k = normal({2, 7, 4}, 2, kFloat64);
  const Tensor v = normal({2, 7, 3}, 3, kFloat64);
  for (const Shape& shape : {Shape{2, 5, 7}, Shape{5, 7}, Shape{2, 1, 7}, Shape{7}, Shape{5, 1}, Shape{}}) {
    const Tensor additive = normal(shape, 5, kFloat64);
    for (const bool is_causal : {false, true}) {
      expect_attention({2, 5, 3}, q, k, v, random_pairs(shape, 4), {.is_causal = is_causal});
      expect_attention({2, 5, 3}, q, k, v, additive, {.is_causal = is_causal});
      expect_attention({2, 5, 3}, q, k, v, where(additive > 0.2, -kInfinity, additive), {.is_causal = is_causal});
    }
  }
  expect_attention({2, 5, 3}, q, k, v, {}, {.is_causal = true});
  expect_attention({2, 7, 4}, k, q, q, {}, {.is_causal = true});
}

TEST(Attention, GivesZerosWhereNothingMayBeAttendedTo) {
  const Tensor pairs = Tensor::of<std::uint8_t>({0, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0, 1}, Shape{4, 3}).to(kBool);
  const Tensor additive = where(pairs, Tensor::zeros({4, 3}, {.dtype = kFloat64}), -kInfinity);
  for (const Tensor& mask : {pairs, additive}) {
    for (const bool is_causal : {false, true}) {
      const Tensor q = leaf({4, 2}, 1), k = leaf({3, 2}, 2), v = leaf({3, 2}, 3);
      const Tensor output = scaled_dot_product_attention(q, k, v, mask, {.is_causal = is_causal});
      expect_attention({4, 2}, q.detach(), k.detach(), v.detach(), mask, {.is_causal = is_causal});
      const Tensor weights = attention_weights(q, k, mask, {.is_causal = is_causal});
      EXPECT_EQ(sum(weights.detach(), {-1}).to(kInt64).to_vector<std::int64_t>()[0], 0);
      output.backward(Tensor::ones(output.shape(), {.dtype = kFloat64}));
      for (const Tensor& x : {q, k, v}) {
        for (const double d : x.grad().to_vector<double>()) EXPECT_TRUE(std::isfinite(d));
      }
      EXPECT_TRUE(bit_equal(q.grad().select(0, 0), Tensor::zeros({2}, {.dtype = kFloat64})));
    }
  }
}

TEST(Attention, TakesWhatIsEmpty) {
  const auto of = [](const Shape& shape) { return Tensor::ones(shape); };
  expect_attention({0, 3}, of({0, 4}), of({7, 4}), of({7, 3}));
  expect_attention({5, 3}, of({5, 4}), of({0, 4}), of({0, 3}));
  expect_attention({5, 3}, of({5, 4}), of({0, 4}), of({0, 3}), Tensor::ones({5, 0}).to(kBool), {.is_causal = true});
  expect_attention({5, 0}, of({5, 4}), of({7, 4}), of({7, 0}));
  expect_attention({0, 5, 3}, of({0, 5, 4}), of({7, 4}), of({7, 3}));
  expect_attention({5, 3}, of({5, 0}), of({7, 0}), of({7, 3}), {}, {.scale = 1.0});
}

TEST(Attention, ReadsViewsOfAnyStrides) {
  const Tensor q = normal({2, 5, 3, 4}, 1, kFloat64).transpose(1, 2), k = normal({2, 4, 3, 7}, 2, kFloat64);
  const Tensor v = normal({2, 3, 7, 10}, 3, kFloat64).slice(3, 0, 10, 2);
  expect_attention({2, 3, 5, 5}, q, k.permute({0, 2, 3, 1}), v, random_pairs({7, 5}, 4).t());
}

TEST(Attention, TakesManyQueriesInBlocks) {
  const Tensor q = normal({2, 300, 3}, 1, kFloat64), k = normal({1, 290, 3}, 2, kFloat64);
  const Tensor v = normal({290, 4}, 3, kFloat64), few = k.narrow(1, 0, 100), few_values = v.narrow(0, 0, 100);
  // With a history all queries are taken at once.
  const auto expect_same = [&](const Tensor& keys, const Tensor& values, const Tensor& mask, bool is_causal) {
    const AttentionOptions options{.is_causal = is_causal};
    const Tensor in_blocks = scaled_dot_product_attention(q, keys, values, mask, options);
    const Tensor at_once = scaled_dot_product_attention(q.clone().requires_grad_(), keys, values, mask, options);
    const auto got = in_blocks.to_vector<double>(), expected = at_once.detach().to_vector<double>();
    ASSERT_EQ(in_blocks.shape(), at_once.shape());
    for (std::size_t i = 0; i < got.size(); ++i) ASSERT_NEAR(got[i], expected[i], 1e-14) << i;
  };
  for (const bool is_causal : {false, true}) {
    expect_same(k, v, {}, is_causal);
    expect_same(few, few_values, {}, is_causal);
    for (const Shape& shape : {Shape{2, 300, 290}, Shape{300, 1}, Shape{290}, Shape{2, 1, 290}, Shape{}}) {
      expect_same(k, v, random_pairs(shape, 4), is_causal);
      expect_same(k, v, normal(shape, 5, kFloat64), is_causal);
    }
  }
  const Tensor one = normal({257, 1}, 6, kFloat64);
  expect_attention({257, 1}, one, one, one, random_pairs({257, 257}, 4), {.is_causal = true});
  testing::expect_same_for_any_threads([&] { return scaled_dot_product_attention(q, k, v, {}, {.is_causal = true}); });
}

TEST(Attention, WeightsAreASoftmaxOfProducts) {
  const Tensor q = normal({5, 4}, 1, kFloat64), k = normal({7, 4}, 2, kFloat64);
  const Tensor weights = attention_weights(q, k, {}, {.is_causal = true});
  EXPECT_EQ(weights.shape(), (Shape{5, 7}));
  for (const double total : sum(weights, {-1}).to_vector<double>()) EXPECT_NEAR(total, 1.0, 1e-14);
  EXPECT_EQ(weights.to_vector<double>()[1], 0.0);
  const Tensor all = Tensor::eye(7, {.dtype = kFloat64});
  EXPECT_TRUE(bit_equal(weights, scaled_dot_product_attention(q, k, all, {}, {.is_causal = true})));
}

TEST(Attention, GradientsAgreeWithDifferencesTwice) {
  testing::check_gradients([](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2]); },
                           {leaf({2, 3, 2}, 1), leaf({2, 4, 2}, 2), leaf({2, 4, 3}, 3)});
  testing::check_gradients(
      [](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], {}, {.is_causal = true, .scale = 0.7}); },
      {leaf({2, 3, 2}, 1), leaf({4, 2}, 2), leaf({4, 3}, 3)});
  testing::check_gradients([](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], x[3]); },
                           {leaf({2, 3, 2}, 1), leaf({4, 2}, 2), leaf({4, 3}, 3), leaf({3, 4}, 4)});
  const Tensor pairs = Tensor::of<std::uint8_t>({0, 0, 0, 1, 0, 1}, Shape{2, 3}).to(kBool);
  testing::check_gradients([&](auto& x) { return scaled_dot_product_attention(x[0], x[1], x[2], pairs); },
                           {leaf({2, 2}, 1), leaf({3, 2}, 2), leaf({3, 2}, 3)});
}

TEST(Attention, IsTheSameForAnyNumberOfThreads) {
  const auto gradient = [](std::size_t operand) {
    const std::vector<Tensor> x{normal({6, 70, 16}, 1).requires_grad_(), normal({6, 90, 16}, 2).requires_grad_(),
                                normal({6, 90, 16}, 3).requires_grad_()};
    const Tensor output = scaled_dot_product_attention(x[0], x[1], x[2], {}, {.is_causal = true});
    output.backward(normal(output.shape(), 4));
    return operand == 3 ? output.detach() : x[operand].grad();
  };
  for (std::size_t i = 0; i < 4; ++i) testing::expect_same_for_any_threads([&] { return gradient(i); });
}

TEST(Attention, ErrorsNameShapes) {
  const auto attend = [](const Shape& q, const Shape& k, const Shape& v, const Tensor& mask = {}) {
    return error_of([&] { scaled_dot_product_attention(Tensor::zeros(q), Tensor::zeros(k), Tensor::zeros(v), mask); });
  };
  EXPECT_EQ(attend({5, 4}, {7, 3}, {7, 3}),
            "[scaled_dot_product_attention] expects query (…, l, e) and key (…, s, e); got (5, 4) and (7, 3)");
  EXPECT_EQ(attend({4}, {7, 4}, {7, 3}),
            "[scaled_dot_product_attention] expects query (…, l, e) and key (…, s, e); got (4) and (7, 4)");
  EXPECT_EQ(attend({5, 4}, {7, 4}, {6, 3}),
            "[scaled_dot_product_attention] expects key (…, s, e) and value (…, s, v); got (7, 4) and (6, 3)");
  EXPECT_EQ(attend({5, 4}, {7, 4}, {7, 3}, Tensor::zeros({5, 6})),
            "[scaled_dot_product_attention] expects attn_mask to broadcast to (5, 7), the queries by the keys; got "
            "(5, 6) for query (5, 4) and key (7, 4)");
  EXPECT_EQ(attend({5, 4}, {7, 4}, {7, 3}, Tensor::zeros({5, 7}, {.dtype = kInt64})),
            "[scaled_dot_product_attention] expects attn_mask bool or float32; got int64 (5, 7)");
  EXPECT_EQ(error_of([] {
              return attention_weights(Tensor::zeros({5, 4}), Tensor::zeros({7, 4}, {.dtype = kFloat64}));
            }),
            "[attention_weights] expects query and key of one floating dtype; got float32 (5, 4) and float64 (7, 4); "
            "cast with to(…)");
  EXPECT_NE(attend({2, 5, 4}, {3, 7, 4}, {7, 3}).find("[scaled_dot_product_attention]"), std::string::npos);
}

}  // namespace
}  // namespace coppice
