#include <coppice/models/nn/attention.h>

#include <cmath>
#include <limits>

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/pth.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/foreign_weights.h>
#include <coppice/models/nn/init.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

using Names = std::vector<std::string>;
using Matrix = std::vector<std::vector<double>>;

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor normal(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randn(shape, generator, {.dtype = kFloat64});
}

Names names_of(const StateDict& state) {
  Names names;
  for (const NamedTensor& entry : state) names.push_back(entry.name);
  return names;
}

/// In f64 and with other biases than 0.
void prepare(MultiheadAttention& layer) {
  layer.to(kFloat64);
  std::uint64_t seed = 20;
  for (const NamedTensor& parameter : layer.named_parameters()) {
    assign_parameter(parameter.tensor, normal(parameter.tensor.shape(), ++seed) * 0.5);
  }
}

Matrix matrix_of(const Tensor& x) {
  Matrix rows;
  for (std::int64_t i = 0; i < x.size(0); ++i) rows.push_back(x.detach().select(0, i).to_vector<double>());
  return rows;
}

/// x · wᵀ + b, where w is `rows` rows of a weight from `first` on.
Matrix naive_linear(const Matrix& x, const Matrix& weight, const std::vector<double>& bias, std::size_t first,
                    std::size_t rows) {
  Matrix result;
  for (const std::vector<double>& row : x) {
    result.emplace_back();
    for (std::size_t o = first; o < first + rows; ++o) {
      double total = bias[o];
      for (std::size_t i = 0; i < row.size(); ++i) total += row[i] * weight[o][i];
      result.back().push_back(total);
    }
  }
  return result;
}

/// The layer's formula for one sentence; added[h][i][j] goes to the scores of head h.
Matrix naive_attention(const MultiheadAttention& layer, std::size_t heads, const Matrix& query, const Matrix& key,
                       const Matrix& value, const std::vector<Matrix>& added) {
  const Matrix weight = matrix_of(layer.parameter("in_proj_weight"));
  const auto bias = layer.parameter("in_proj_bias").to_vector<double>();
  const std::size_t embed = weight.size() / 3, width = embed / heads;
  const Matrix q = naive_linear(query, weight, bias, 0, embed), k = naive_linear(key, weight, bias, embed, embed);
  const Matrix v = naive_linear(value, weight, bias, 2 * embed, embed);
  Matrix context(query.size(), std::vector<double>(embed, 0.0));
  for (std::size_t h = 0; h < heads; ++h) {
    for (std::size_t i = 0; i < q.size(); ++i) {
      std::vector<double> e(k.size());
      double total = 0.0;
      for (std::size_t j = 0; j < k.size(); ++j) {
        double score = 0.0;
        for (std::size_t c = h * width; c < (h + 1) * width; ++c) score += q[i][c] * k[j][c];
        e[j] = std::exp(score / std::sqrt(static_cast<double>(width)) + added[h][i][j]);
        total += e[j];
      }
      for (std::size_t j = 0; j < k.size() && total > 0.0; ++j) {
        for (std::size_t c = h * width; c < (h + 1) * width; ++c) context[i][c] += e[j] / total * v[j][c];
      }
    }
  }
  return naive_linear(context, matrix_of(layer.parameter("out_proj.weight")),
                      layer.parameter("out_proj.bias").to_vector<double>(), 0, embed);
}

void expect_near(const Tensor& got, const Matrix& expected) {
  const Matrix values = matrix_of(got);
  ASSERT_EQ(values.size(), expected.size());
  for (std::size_t i = 0; i < values.size(); ++i) {
    ASSERT_EQ(values[i].size(), expected[i].size());
    for (std::size_t c = 0; c < values[i].size(); ++c)
      EXPECT_NEAR(values[i][c], expected[i][c], 1e-12) << i << ' ' << c;
  }
}

TEST(MultiheadAttention, HasPyTorchsParameters) {
  MultiheadAttention layer(8, 2);
  EXPECT_EQ(names_of(layer.state_dict()),
            (Names{"in_proj_weight", "in_proj_bias", "out_proj.weight", "out_proj.bias"}));
  EXPECT_EQ(layer.parameter("in_proj_weight").shape(), (Shape{24, 8}));
  MultiheadAttention separate(8, 2, {.bias = false, .kdim = 5, .vdim = 6, .batch_first = true});
  EXPECT_EQ(names_of(separate.state_dict()),
            (Names{"q_proj_weight", "k_proj_weight", "v_proj_weight", "out_proj.weight"}));
  EXPECT_EQ(separate.parameter("v_proj_weight").shape(), (Shape{8, 6}));
  EXPECT_EQ(layer.description(), "MultiheadAttention(8, 2)");
  EXPECT_EQ(separate.description(), "MultiheadAttention(8, 2, bias=false, kdim=5, vdim=6, batch_first=true)");
  EXPECT_EQ(prunable(layer).size(), 2U);
  EXPECT_EQ(prunable(separate).size(), 4U);
}

TEST(MultiheadAttention, StartsAsPyTorchs) {
  MultiheadAttention layer(64, 4);
  initialize(layer, 3);
  EXPECT_TRUE(bit_equal(layer.parameter("in_proj_bias").detach(), Tensor::zeros({192})));
  EXPECT_TRUE(bit_equal(layer.parameter("out_proj.bias").detach(), Tensor::zeros({64})));
  const double bound = std::sqrt(6.0 / (192 + 64));
  EXPECT_NEAR(max(abs(layer.parameter("in_proj_weight").detach())).item<double>(), bound, bound * 1e-3);
  EXPECT_NEAR(max(abs(layer.parameter("out_proj.weight").detach())).item<double>(), 0.125, 1e-3);
}

TEST(MultiheadAttention, GivesPyTorchsOutputsForItsStateDict) {
  const std::string folder = COPPICE_SOURCE_DIR "/tests/golden/pth/";
  MultiheadAttention layer(8, 2, {.batch_first = true});
  layer.load_state_dict(read_state_dict(folder + "attention.pth"));
  const Pth values = load_pth(folder + "attention_values.pth");
  const Tensor& words = values.tensors.at("words");
  const Attended got = layer.attend(words, words, words, {.key_padding_mask = values.tensors.at("padding")});
  for (const auto& [result, name] : {std::pair{got.output, "output"}, std::pair{got.weights, "weights"}}) {
    const auto outputs = result.to_vector<float>(), expected = values.tensors.at(name).to_vector<float>();
    ASSERT_EQ(outputs.size(), expected.size());
    for (std::size_t i = 0; i < outputs.size(); ++i) EXPECT_NEAR(outputs[i], expected[i], 2e-6) << name << ' ' << i;
  }
}

TEST(MultiheadAttention, MatchesTheFormula) {
  MultiheadAttention layer(6, 3);
  prepare(layer);
  const Tensor query = normal({4, 2, 6}, 1), key = normal({5, 2, 6}, 2), value = normal({5, 2, 6}, 3);
  const std::vector<Matrix> nothing(3, Matrix(4, std::vector<double>(5, 0.0)));
  const std::vector<Matrix> nothing_of_itself(3, Matrix(4, std::vector<double>(4, 0.0)));
  const Tensor output = layer.attend(query, key, value).output, of_itself = layer(query);
  MultiheadAttention batch_first(6, 3, {.batch_first = true});
  batch_first.to(kFloat64);
  batch_first.load_state_dict(layer.state_dict());
  const auto turned = [](const Tensor& x) { return x.transpose(0, 1); };
  const Tensor first = batch_first.attend(turned(query), turned(key), turned(value)).output;
  for (std::int64_t n = 0; n < 2; ++n) {
    const Tensor q = query.select(1, n), k = key.select(1, n), v = value.select(1, n);
    const Matrix expected = naive_attention(layer, 3, matrix_of(q), matrix_of(k), matrix_of(v), nothing);
    expect_near(output.select(1, n), expected);
    expect_near(first.select(0, n), expected);
    expect_near(layer.attend(q, k, v).output, expected);
    expect_near(batch_first.attend(q, k, v).output, expected);
    const Matrix itself = naive_attention(layer, 3, matrix_of(q), matrix_of(q), matrix_of(q), nothing_of_itself);
    expect_near(of_itself.select(1, n), itself);
    expect_near(layer(q), itself);
  }
}

TEST(MultiheadAttention, MergesItsMasks) {
  MultiheadAttention layer(6, 3);
  prepare(layer);
  const Tensor query = normal({4, 2, 6}, 1), key = normal({5, 2, 6}, 2);
  // Nothing is left for query 0 of sentence 1.
  const Tensor padding = Tensor::of<std::uint8_t>({0, 0, 0, 1, 1, 1, 0, 0, 0, 0}, Shape{2, 5}).to(kBool);
  const Tensor pairs = normal({4, 5}, 4) > 0.5, each = normal({6, 4, 5}, 5) > 0.5;
  const Tensor added = normal({4, 5}, 6), added_to_each = normal({6, 4, 5}, 7);
  const Tensor added_to_keys = normal({2, 5}, 8);
  const auto at = [](const Tensor& mask, std::int64_t n, std::int64_t h, std::int64_t i, std::int64_t j) {
    if (!mask.defined()) return 0.0;
    const Tensor row = mask.dim() == 3     ? mask.select(0, n * 3 + h).select(0, i)
                       : mask.size(0) == 2 ? mask.select(0, n)
                                           : mask.select(0, i);
    const double m = row.select(0, j).to(kFloat64).item<double>();
    return mask.dtype() != kBool ? m : m != 0.0 ? -kInfinity : 0.0;
  };
  for (const Tensor& by_key : {Tensor(), padding, added_to_keys}) {
    for (const Tensor& by_pair : {Tensor(), pairs, each, added, added_to_each}) {
      for (const bool is_causal : {false, true}) {
        const Attended got = layer.attend(
            query, key, key,
            {.key_padding_mask = by_key, .attn_mask = by_pair, .average_attn_weights = false, .is_causal = is_causal});
        ASSERT_EQ(got.weights.shape(), (Shape{2, 3, 4, 5}));
        for (std::int64_t n = 0; n < 2; ++n) {
          std::vector<Matrix> sum(3, Matrix(4, std::vector<double>(5, 0.0)));
          for (std::int64_t h = 0; h < 3; ++h) {
            for (std::int64_t i = 0; i < 4; ++i) {
              for (std::int64_t j = 0; j < 5; ++j) {
                sum[static_cast<std::size_t>(h)][static_cast<std::size_t>(i)][static_cast<std::size_t>(j)] =
                    is_causal && j > i ? -kInfinity : at(by_key, n, 0, i, j) + at(by_pair, n, h, i, j);
              }
            }
          }
          const Matrix k = matrix_of(key.select(1, n));
          expect_near(got.output.select(1, n), naive_attention(layer, 3, matrix_of(query.select(1, n)), k, k, sum));
        }
      }
    }
  }
}

TEST(MultiheadAttention, GivesWeightsAsAsked) {
  MultiheadAttention layer(6, 3, {.batch_first = true});
  prepare(layer);
  const Tensor x = normal({2, 4, 6}, 1);
  const Attended each = layer.attend(x, x, x, {.average_attn_weights = false}), averaged = layer.attend(x, x, x);
  EXPECT_EQ(each.weights.shape(), (Shape{2, 3, 4, 4}));
  EXPECT_TRUE(bit_equal(averaged.weights, mean(each.weights, {1})));
  EXPECT_TRUE(bit_equal(averaged.output, each.output));
  EXPECT_FALSE(layer.attend(x, x, x, {.need_weights = false}).weights.defined());
  const Attended alone = layer.attend(x.select(0, 1), x.select(0, 1), x.select(0, 1),
                                      {.key_padding_mask = Tensor::zeros({4}, {.dtype = kBool})});
  EXPECT_EQ(alone.weights.shape(), (Shape{4, 4}));
  for (const double total : sum(alone.weights, {-1}).to_vector<double>()) EXPECT_NEAR(total, 1.0, 1e-14);
}

TEST(MultiheadAttention, ProjectsByMaskedWeights) {
  MultiheadAttention sparse(6, 3), dense(6, 3);
  prepare(sparse);
  dense.to(kFloat64);
  Generator generator(1);
  const Mask alive = Mask::random({18, 6}, 30, generator);
  sparse.set_parameter("in_proj_weight", Tensor::masked(sparse.parameter("in_proj_weight").detach(), alive));
  dense.load_state_dict(sparse.state_dict());
  const Tensor query = normal({4, 2, 6}, 1), key = normal({5, 2, 6}, 2);
  for (const Tensor& other : {query, key}) {
    const Tensor got = sparse.attend(query, other, other).output, expected = dense.attend(query, other, other).output;
    const auto values = got.to_vector<double>(), wanted = expected.to_vector<double>();
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], wanted[i], 1e-13);
    sparse.zero_grad();
    dense.zero_grad();
    got.backward(normal(got.shape(), 3));
    expected.backward(normal(got.shape(), 3));
    const Tensor packed = sparse.parameter("in_proj_weight").grad();
    const auto of_dense = WeightState::gather(dense.parameter("in_proj_weight").grad(), alive).to_vector<double>();
    const auto of_sparse = packed.to_vector<double>();
    ASSERT_EQ(of_sparse.size(), of_dense.size());
    for (std::size_t i = 0; i < of_sparse.size(); ++i) EXPECT_NEAR(of_sparse[i], of_dense[i], 1e-12);
  }
}

TEST(MultiheadAttention, GradientsAgreeWithDifferences) {
  MultiheadAttention layer(4, 2, {.kdim = 3, .vdim = 2});
  prepare(layer);
  const auto leaf = [](const Shape& shape, std::uint64_t seed) { return normal(shape, seed).requires_grad_(); };
  gradcheck(
      [&](const std::vector<Tensor>& x) {
        const Attended result = layer.attend(x[0], x[1], x[2], {.is_causal = true});
        return std::vector<Tensor>{result.output, result.weights};
      },
      {leaf({2, 2, 4}, 1), leaf({3, 2, 3}, 2), leaf({3, 2, 2}, 3)}, {.double_backward = true});
}

TEST(MultiheadAttention, TakesItsPlaceInNetworks) {
  Sequential network({{"attention", std::make_shared<MultiheadAttention>(6, 3)}});
  EXPECT_TRUE(network.state_dict().contains("attention.out_proj.weight"));
  EXPECT_EQ(network(normal({4, 2, 6}, 1).to(kFloat32)).shape(), (Shape{4, 2, 6}));
}

TEST(MultiheadAttention, ErrorsNameShapes) {
  expect_error([] { MultiheadAttention(6, 4); }, "[MultiheadAttention] num_heads=4 must divide embed_dim=6");
  MultiheadAttention layer(6, 3), first(6, 3, {.kdim = 5, .batch_first = true});
  const Tensor x = Tensor::zeros({4, 2, 6});
  expect_error(
      [&] {
        layer.attend(x, Tensor::zeros({4, 2, 5}), x);
      },
      "[MultiheadAttention] expects query (l, n, 6), key (s, n, 6) and value (s, n, 6), or all without n; got "
      "(4, 2, 6), (4, 2, 5) and (4, 2, 6)");
  expect_error(
      [&] {
        first.attend(x, Tensor::zeros({4, 3, 5}), x);
      },
      "[MultiheadAttention] expects query (n, l, 6), key (n, s, 5) and value (n, s, 6), or all without n; got "
      "(4, 2, 6), (4, 3, 5) and (4, 2, 6)");
  expect_error(
      [&] {
        layer.attend(x, x, x, {.key_padding_mask = Tensor::zeros({4, 2}, {.dtype = kBool})});
      },
      "[MultiheadAttention] expects key_padding_mask (2, 4), batch by keys; got (4, 2)");
  expect_error(
      [&] {
        layer.attend(x, x, x, {.attn_mask = Tensor::zeros({2, 4, 4})});
      },
      "[MultiheadAttention] expects attn_mask (4, 4), queries by keys, or (6, 4, 4); got (2, 4, 4)");
}

}  // namespace
}  // namespace coppice::nn
