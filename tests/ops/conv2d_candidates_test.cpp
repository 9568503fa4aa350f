#include <coppice/ops/conv2d_candidates.h>

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/plan.h>

#include <set>

#include "tests/cases/conv2d_cases.h"
#include "tests/cases/simd_targets.h"
#include "tests/ops/conv2d_reference.h"

namespace coppice {
namespace {

using testing::integers;
using testing::naive;

/// −0 as 0: an empty sum may be either.
Tensor plain(const Tensor& t) { return t.contiguous().clone().add_(Tensor::zeros(t.shape(), {.dtype = t.dtype()})); }

/// A mask whose groups of `shared` rows have the same columns, each chosen with that probability in percent.
Mask random_rows(const Shape& shape, std::int64_t shared, std::int64_t percent, Generator& generator) {
  const std::int64_t columns = shape.numel() / std::max<std::int64_t>(1, shape[0]);
  std::vector<std::int64_t> positions;
  for (std::int64_t row = 0; row < shape[0]; row += shared) {
    for (std::int64_t column = 0; column < columns; ++column) {
      if (static_cast<std::int64_t>(generator.below(100)) >= percent) continue;
      for (std::int64_t r = row; r < std::min(row + shared, shape[0]); ++r) positions.push_back(r * columns + column);
    }
  }
  const Mask mask = Mask::from_positions(shape, positions);
  return shared == 1 ? mask : mask.with_pattern(Pattern::block(static_cast<int>(shared), 1));
}

/// The edge cases, and geometries that meet every branch of the tilings: more images, channels and pixels than one
/// block or tile of them.
std::vector<cases::Conv2dCase> geometries() {
  std::vector<cases::Conv2dCase> all = cases::conv2d_edge_cases();
  const std::vector<cases::Conv2dCase> more = {
      {"strips", {1, 9, 14, 13}, {8, 9, 3, 3}, {.padding = {1, 1}}},
      {"strips_strided", {1, 5, 17, 30}, {8, 5, 5, 3}, {.stride = {2, 3}, .padding = {2, 1}, .dilation = {1, 2}}},
      {"tiles", {9, 20, 17, 9}, {8, 20, 3, 3}, {.padding = {1, 1}}},
      {"tiles_strided", {3, 18, 15, 16}, {16, 18, 3, 3}, {.stride = {2, 2}, .padding = {1, 1}}},
      {"pointwise_blocks", {17, 70, 6, 15}, {24, 70, 1, 1}, {}},
      {"pointwise_blocks_strided", {2, 33, 9, 8}, {8, 33, 1, 1}, {.stride = {2, 2}}},
      {"stem", {5, 3, 23, 19}, {16, 3, 7, 7}, {.stride = {2, 2}, .padding = {3, 3}}},
      {"tiles_dilated", {4, 10, 12, 13}, {8, 10, 3, 3}, {.padding = {2, 2}, .dilation = {2, 2}}},
      {"parts", {3, 130, 9, 9}, {8, 130, 3, 3}, {.padding = {1, 1}}},
      {"uneven", {3, 5, 11, 9}, {8, 5, 2, 5}, {.stride = {3, 2}, .padding = {0, 3}, .dilation = {2, 1}}},
      {"grouped", {6, 12, 8, 8}, {24, 4, 3, 3}, {.padding = {1, 1}, .groups = 3}},
      {"depthwise_strided", {11, 16, 9, 9}, {16, 1, 3, 3}, {.stride = {2, 1}, .padding = {1, 1}, .groups = 16}},
  };
  all.insert(all.end(), more.begin(), more.end());
  return all;
}

class Conv2dCandidates : public ::testing::TestWithParam<cases::Conv2dCase> {
 protected:
  /// Runs every candidate of every pass of one weight, and compares with the definition.
  void check(const Tensor& weight, DType dtype) {
    const cases::Conv2dCase& c = GetParam();
    Generator generator(7);
    const Tensor input = integers(c.input, dtype, generator);
    const Tensor bias = integers({c.weight[0]}, dtype, generator);
    const Shape output = check_conv2d(input, weight, bias, c.options);
    const Tensor d_output = integers(output, dtype, generator);
    const Tensor dense = weight.to_dense();
    const testing::ConvResults expected = naive(input, dense, bias, d_output, c.options);
    for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::Blocked}) {
      Conv2dProblem problem{.phase = FlopPhase::Forward,
                            .input = c.input,
                            .weight = c.weight,
                            .output = output,
                            .options = c.options,
                            .dtype = dtype,
                            .format = format,
                            .sparse = weight.is_masked() ? &weight.weight_state() : nullptr};
      const Tensor x = detail::in_format(input, format), dy = detail::in_format(d_output, format);
      const Tensor w = weight.is_masked() ? Tensor() : dense;
      const auto each = [&](FlopPhase phase, const Conv2dOperands& operands, const Tensor& wanted) {
        problem.phase = phase;
        for (const Conv2dCandidate& candidate : conv2d_candidates(phase)) {
          if (!candidate.can_run(problem)) continue;
          seen_.insert(candidate.name);
          Tensor first;
          for (const int threads : {1, 2, 3}) {
            const ThreadLimit limit(threads);
            const Tensor result = candidate.run(problem, operands);
            EXPECT_TRUE(bit_equal(plain(result), plain(wanted))) << candidate.name << " on " << c << ", " << format;
            if (threads == 1) first = result;
            EXPECT_TRUE(bit_equal(result, first)) << candidate.name << " with " << threads << " threads on " << c;
          }
          if (phase != FlopPhase::WeightGradient && format == MemoryFormat::Blocked) {
            expect_empty_padding(candidate.run(problem, operands), candidate.name);
          }
        }
      };
      each(FlopPhase::Forward, {.x = x, .y = {}, .weight = w, .bias = bias}, expected.output);
      check_finishing(problem, {.x = x, .y = {}, .weight = w, .bias = bias}, expected.output);
      each(FlopPhase::DataGradient, {.x = {}, .y = dy, .weight = w}, expected.d_input);
      each(FlopPhase::WeightGradient, {.x = x, .y = dy, .weight = {}},
           weight.is_masked() ? WeightState::gather(expected.d_weight, weight.weight_state().trainable())
                              : expected.d_weight);
    }
  }

  /// Candidates that finish the output, and conv2d_relu whatever it chooses, add a residual and do the ReLU.
  static void check_finishing(const Conv2dProblem& problem, Conv2dOperands operands, const Tensor& output) {
    Generator generator(11);
    const Tensor residual = integers(problem.output, problem.dtype, generator);
    const Tensor with = relu(output + residual), without = relu(output);
    const Tensor w = problem.sparse != nullptr ? Tensor() : operands.weight;
    operands.relu = true;
    for (const Conv2dCandidate& candidate : conv2d_candidates(FlopPhase::Forward)) {
      if (!candidate.finishes || !candidate.can_run(problem)) continue;
      operands.residual = {};
      EXPECT_TRUE(bit_equal(plain(candidate.run(problem, operands)), plain(without))) << candidate.name;
      operands.residual = detail::in_format(residual, problem.format);
      const Tensor result = candidate.run(problem, operands);
      EXPECT_TRUE(bit_equal(plain(result), plain(with))) << candidate.name;
      if (problem.format == MemoryFormat::Blocked) expect_empty_padding(result, candidate.name);
    }
    if (problem.sparse != nullptr) return;
    const Tensor& bias = operands.bias;
    for (const Conv2dCandidate& candidate : conv2d_candidates(FlopPhase::Forward)) {
      if (!candidate.can_run(problem)) continue;
      Plan plan;
      plan.set(problem.key(), candidate.name);
      const PlanScope scope(plan);
      EXPECT_TRUE(bit_equal(plain(conv2d_relu(operands.x, w, bias, problem.options)), plain(without)));
      EXPECT_TRUE(bit_equal(plain(conv2d_relu(operands.x, w, bias, problem.options, residual)), plain(with)));
    }
  }

  static void expect_empty_padding(const Tensor& images, const char* name) {
    const std::int64_t block = image_block(images.dtype()), used = images.size(0) % block;
    if (used == 0 || images.dtype() != kFloat32) return;
    const std::int64_t size = detail::blocked_size(images);
    const float* const element = detail::blocked_data<float>(images);
    for (std::int64_t i = size - size / ((images.size(0) + block - 1) / block); i < size; ++i) {
      if (i % block < used) continue;
      ASSERT_EQ(element[i], 0.0F) << name;
    }
  }

  std::set<std::string> seen_;
};

TEST_P(Conv2dCandidates, MatchTheDefinitionExactlyWithADenseWeight) {
  Generator generator(3);
  for (const DType dtype : {kFloat32, kFloat64}) check(integers(GetParam().weight, dtype, generator), dtype);
  std::set<std::string> expected{"blocked/dense", "blocked/scattered", "im2col"};
  const std::int64_t images = GetParam().input[0];
  const bool on_strips = images > 0 && 2 * images <= image_block(kFloat32);
  if (on_strips) expected.insert("strips/dense");
  const Shape& weight = GetParam().weight;
  if (weight[0] / GetParam().options.groups < 4 && weight[1] < 4) {
    expected.insert({"blocked/rows", "blocked/sampled_rows"});
    if (on_strips) expected.insert("strips/rows");
  }
  EXPECT_EQ(seen_, expected);
}

TEST_P(Conv2dCandidates, MatchTheDefinitionExactlyWithAnUnstructuredWeight) {
  Generator generator(4);
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const std::int64_t percent : {0, 12, 45, 100}) {
      const Tensor dense = integers(GetParam().weight, dtype, generator);
      check(Tensor::masked(dense, random_rows(GetParam().weight, 1, percent, generator)), dtype);
    }
  }
  EXPECT_TRUE(seen_.contains("blocked/rows") && seen_.contains("blocked/sampled_rows"));
}

TEST_P(Conv2dCandidates, MatchTheDefinitionExactlyWithBlocksOfRows) {
  Generator generator(5);
  for (const std::int64_t shared : {4, 8}) {
    if (GetParam().weight[0] / GetParam().options.groups % shared != 0) continue;
    for (const DType dtype : {kFloat32, kFloat64}) {
      const Tensor dense = integers(GetParam().weight, dtype, generator);
      check(Tensor::masked(dense, random_rows(GetParam().weight, shared, 20, generator)), dtype);
    }
    for (const char* name : {"blocked/panels", "blocked/scattered_panels", "blocked/sampled_panels"}) {
      EXPECT_TRUE(seen_.contains(name)) << name;
    }
  }
}

TEST_P(Conv2dCandidates, SampleOnlyWhatIsTrained) {
  Generator generator(6);
  const Tensor dense = integers(GetParam().weight, kFloat32, generator);
  const Mask alive = random_rows(GetParam().weight, 1, 40, generator);
  const Tensor weight = Tensor::masked(dense, alive);
  weight.weight_state().set_trainable(alive & random_rows(GetParam().weight, 1, 50, generator));
  check(weight, kFloat32);
}

class Conv2dCandidatesOnTargets : public Conv2dCandidates {};

TEST_P(Conv2dCandidatesOnTargets, MatchTheDefinition) {
  Generator generator(10);
  const Tensor dense = integers(GetParam().weight, kFloat32, generator);
  cases::for_each_simd_target([&](const char* target) {
    SCOPED_TRACE(target);
    check(dense, kFloat32);
    check(Tensor::masked(dense, random_rows(dense.shape(), 1, 20, generator)), kFloat32);
    if (dense.size(0) / GetParam().options.groups % 8 == 0) {
      check(Tensor::masked(dense, random_rows(dense.shape(), 8, 20, generator)), kFloat32);
    }
  });
}

INSTANTIATE_TEST_SUITE_P(Geometry, Conv2dCandidates, ::testing::ValuesIn(geometries()),
                         [](const auto& geometry) { return geometry.param.name; });

/// Geometries whose tilings differ by the width of a vector.
std::vector<cases::Conv2dCase> target_geometries() {
  const std::set<std::string> chosen{"tiles",   "tiles_strided", "pointwise_blocks", "stem",
                                     "grouped", "strips",        "depthwise_strided"};
  std::vector<cases::Conv2dCase> result;
  for (const cases::Conv2dCase& c : geometries()) {
    if (chosen.contains(c.name)) result.push_back(c);
  }
  return result;
}

INSTANTIATE_TEST_SUITE_P(Geometry, Conv2dCandidatesOnTargets, ::testing::ValuesIn(target_geometries()),
                         [](const auto& geometry) { return geometry.param.name; });

Tensor blocked(const Tensor& tensor) { return tensor.to(MemoryFormat::Blocked); }

TEST(Conv2dBlocked, IsPropagatedAndDifferentiableTwice) {
  Generator generator(8);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  gradcheck(
      [](const std::vector<Tensor>& in) {
        const Tensor y = conv2d(blocked(in[0]), in[1], in[2], {.stride = {2, 1}, .padding = {1, 0}, .groups = 2});
        EXPECT_EQ(y.memory_format(), MemoryFormat::Blocked);
        return std::vector{y};
      },
      {Tensor::randn({5, 2, 4, 3}, generator, options), Tensor::randn({4, 1, 3, 2}, generator, options),
       Tensor::randn({4}, generator, options)},
      {.double_backward = true});
}

TEST(Conv2dBlocked, GivesTheGradientsOfContiguousImages) {
  Generator generator(9);
  const Conv2dOptions options{.padding = {1, 1}};
  const Tensor x = integers({11, 6, 5, 7}, kFloat32, generator);
  const Tensor dense = integers({8, 6, 3, 3}, kFloat32, generator), bias = integers({8}, kFloat32, generator);
  const Tensor d_y = integers({11, 8, 5, 7}, kFloat32, generator);
  const Mask alive = random_rows(dense.shape(), 1, 30, generator);
  std::vector<Tensor> results;
  for (const MemoryFormat format : {MemoryFormat::Contiguous, MemoryFormat::Blocked}) {
    const Tensor weight = Tensor::masked(dense, alive).requires_grad_();
    const Tensor input = x.detach().requires_grad_(), offset = bias.detach().requires_grad_();
    const Tensor y = conv2d(input.to(format), weight, offset, options);
    y.backward(d_y);
    for (const Tensor& t : {y.detach().contiguous(), input.grad(), weight.grad(), offset.grad()}) {
      results.push_back(plain(t));
    }
  }
  for (std::size_t i = 0; i < 4; ++i) EXPECT_TRUE(bit_equal(results[i], results[i + 4])) << i;
}

}  // namespace
}  // namespace coppice
