#include <coppice/ops/linear_candidates.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include <coppice/autograd/gradcheck.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/plan.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/sparse_structure.h>

#include "tests/cases/simd_targets.h"

namespace coppice {
namespace {

struct Sizes {
  std::int64_t n, m, k;
};
std::ostream& operator<<(std::ostream& out, const Sizes& s) {
  return out << "n=" << s.n << " m=" << s.m << " k=" << s.k;
}

/// One element, none of each kind, fewer than a group, a vector or a tile, sizes that none of them divides, more
/// samples than a panel, more rows than a chunk, and more columns than a block.
std::vector<Sizes> sizes() {
  return {{1, 1, 1},    {0, 8, 16},    {5, 0, 16},    {5, 8, 0},    {3, 3, 5},    {7, 4, 9},
          {9, 13, 31},  {25, 18, 7},   {65, 8, 33},   {49, 10, 17}, {131, 7, 70}, {300, 12, 5},
          {10, 270, 3}, {6, 14, 1100}, {37, 150, 24}, {6, 140, 72}, {3, 20, 136}};
}

Tensor integers(const Shape& shape, DType dtype, Generator& generator) {
  return Tensor::randint(-3, 4, shape, generator).to(dtype);
}

/// Blocks of rows × columns, each alive with that probability in percent.
Mask random_blocks(const Shape& shape, std::int64_t rows, std::int64_t columns, std::int64_t percent,
                   Generator& generator) {
  std::vector<std::int64_t> positions;
  for (std::int64_t row = 0; row < shape[0]; row += rows) {
    for (std::int64_t column = 0; column < shape[1]; column += columns) {
      if (static_cast<std::int64_t>(generator.below(100)) >= percent) continue;
      for (std::int64_t r = row; r < std::min(row + rows, shape[0]); ++r) {
        for (std::int64_t c = column; c < std::min(column + columns, shape[1]); ++c) {
          positions.push_back(r * shape[1] + c);
        }
      }
    }
  }
  const Mask mask = Mask::from_positions(shape, positions);
  return rows * columns == 1 ? mask
                             : mask.with_pattern(Pattern::block(static_cast<int>(rows), static_cast<int>(columns)));
}

/// n of every m neighbours of a row.
Mask random_groups(const Shape& shape, int n, int m, Generator& generator) {
  std::vector<std::int64_t> positions;
  for (std::int64_t first = 0; first < shape.numel(); first += m) {
    const Mask group = Mask::random({m}, n, generator);
    group.for_each([&](std::int64_t place, std::int64_t) { positions.push_back(first + place); });
  }
  return Mask::from_positions(shape, positions).with_pattern(Pattern::nm(n, m));
}

/// a (rows, depth) · b (depth, columns) by the definition; element(matrix, i, j) may transpose.
template <class A, class B>
std::vector<double> naive(std::int64_t rows, std::int64_t columns, std::int64_t depth, A a, B b) {
  std::vector<double> result;
  for (std::int64_t i = 0; i < rows; ++i) {
    for (std::int64_t j = 0; j < columns; ++j) {
      double sum = 0.0;
      for (std::int64_t p = 0; p < depth; ++p) sum += a(i, p) * b(p, j);
      result.push_back(sum);
    }
  }
  return result;
}

/// Runs every candidate of every pass on 1 to 3 threads, and compares with the definition.
std::set<std::string> check(const Sizes& s, const Tensor& weight) {
  Generator generator(7);
  const DType dtype = weight.dtype();
  const WeightState& state = weight.weight_state();
  const Tensor x = integers({s.n, s.k}, dtype, generator), d_y = integers({s.n, s.m}, dtype, generator);
  const Tensor bias = integers({s.m}, dtype, generator);
  const std::vector<double> xs = x.to_vector<double>(), dys = d_y.to_vector<double>(),
                            ws = weight.to_dense().to_vector<double>(), biases = bias.to_vector<double>();
  const auto element = [](const std::vector<double>& matrix, std::int64_t columns) {
    return [&matrix, columns](std::int64_t i, std::int64_t j) {
      return matrix[static_cast<std::size_t>(i * columns + j)];
    };
  };
  const auto flipped = [](auto matrix) { return [matrix](std::int64_t i, std::int64_t j) { return matrix(j, i); }; };
  const auto x_at = element(xs, s.k), dy_at = element(dys, s.m), w_at = element(ws, s.k);

  const std::vector<double> plain = naive(s.n, s.m, s.k, x_at, flipped(w_at));
  std::vector<double> output = plain, gradient;
  for (std::size_t i = 0; i < output.size(); ++i) output[i] += biases[i % biases.size()];
  const std::vector<double> all = naive(s.m, s.k, s.n, flipped(dy_at), x_at);
  state.trainable().for_each(
      [&](std::int64_t position, std::int64_t) { gradient.push_back(all[static_cast<std::size_t>(position)]); });

  std::set<std::string> seen;
  const auto each = [&](FlopPhase phase, const LinearOperands& operands, const std::vector<double>& wanted) {
    for (const LinearCandidate& candidate : linear_candidates(phase)) {
      if (!candidate.can_run(state)) continue;
      seen.insert(candidate.name);
      for (const int threads : {1, 2, 3}) {
        const ThreadLimit limit(threads);
        EXPECT_EQ(candidate.run(state, operands).to_vector<double>(), wanted)
            << candidate.name << ", pass " << static_cast<int>(phase) << ", " << s << ", " << dtype << ", " << threads
            << " threads, " << state.alive();
      }
    }
  };
  each(FlopPhase::Forward, {.x = x, .y = {}, .bias = bias}, output);
  each(FlopPhase::Forward, {.x = x, .y = {}}, plain);
  each(FlopPhase::DataGradient, {.x = {}, .y = d_y}, naive(s.n, s.k, s.m, dy_at, w_at));
  each(FlopPhase::WeightGradient, {.x = x, .y = d_y}, gradient);
  return seen;
}

TEST(LinearCandidates, MatchTheDefinitionExactlyOnEveryInstructionSet) {
  cases::for_each_simd_target([](const char* target) {
    SCOPED_TRACE(target);
    Generator generator(3);
    std::set<std::string> seen;
    for (const Sizes& s : sizes()) {
      for (const DType dtype : {kFloat32, kFloat64}) {
        const Tensor dense = integers({s.m, s.k}, dtype, generator);
        for (const std::int64_t percent : {0, 12, 45, 100}) {
          seen.merge(check(s, Tensor::masked(dense, random_blocks(dense.shape(), 1, 1, percent, generator))));
        }
        seen.merge(check(s, Tensor::masked(dense, random_blocks(dense.shape(), 8, 1, 20, generator))));
        seen.merge(check(s, Tensor::masked(dense, random_blocks(dense.shape(), 4, 1, 35, generator))));
        seen.merge(check(s, Tensor::masked(dense, random_blocks(dense.shape(), 8, 8, 30, generator))));
        for (const auto& [n, m] : {std::pair{1, 4}, std::pair{2, 4}, std::pair{3, 4}, std::pair{1, 8}, std::pair{2, 8},
                                   std::pair{3, 8}, std::pair{4, 8}, std::pair{2, 5}}) {
          if (s.k % m != 0) continue;
          seen.merge(check(s, Tensor::masked(dense, random_groups(dense.shape(), n, m, generator))));
        }
      }
    }
    EXPECT_EQ(seen, (std::set<std::string>{"dense", "dense/expanded", "dense/gathered", "csr/panel", "csc/panel",
                                           "csr/groups", "sampled", "sampled/groups", "nm", "sampled/nm"}));
  });
}

TEST(LinearCandidates, SampleOnlyWhatIsTrained) {
  Generator generator(4);
  for (const std::int64_t rows : {1, 8}) {
    const Sizes s{70, 21, 40};
    const Tensor weight =
        Tensor::masked(integers({s.m, s.k}, kFloat32, generator), random_blocks({s.m, s.k}, rows, 1, 40, generator));
    WeightState& state = weight.weight_state();
    const Mask some = state.alive() & random_blocks({s.m, s.k}, rows, 1, 50, generator);
    state.set_trainable(rows == 1 ? some : some.with_pattern(Pattern::block(8, 1)));
    EXPECT_EQ(check(s, weight).contains("sampled/groups"), rows == 8);
  }
}

std::string chosen(FlopPhase phase, const Mask& mask, std::int64_t samples) {
  const Tensor weight = Tensor::masked(Tensor::zeros(mask.shape()), mask);
  return choose_linear(phase, weight.weight_state(), samples).name;
}

TEST(LinearCandidates, BlocksTakeTheirOwnKernels) {
  Generator generator(5);
  const Shape shape{300, 784};  // the last block of 8 rows is cut
  for (const auto& [rows, columns] : {std::pair{8, 1}, std::pair{4, 1}, std::pair{8, 8}}) {
    const Mask mask = random_blocks(shape, rows, columns, 10, generator);
    EXPECT_EQ(chosen(FlopPhase::Forward, mask, 64), "csr/groups");
    EXPECT_EQ(chosen(FlopPhase::DataGradient, mask, 64), "csr/groups");
    EXPECT_EQ(chosen(FlopPhase::WeightGradient, mask, 64), "sampled/groups");
  }
  const Mask pairs = random_blocks(shape, 2, 1, 10, generator);
  EXPECT_EQ(chosen(FlopPhase::Forward, pairs, 64), "csr/panel");
  EXPECT_EQ(chosen(FlopPhase::DataGradient, pairs, 64), "csc/panel");
  EXPECT_EQ(chosen(FlopPhase::WeightGradient, pairs, 64), "sampled");
}

TEST(LinearCandidates, NmTakesItsOwnKernelsWhereGroupsAreFull) {
  Generator generator(8);
  const Mask full = random_groups({300, 784}, 2, 4, generator);
  EXPECT_EQ(chosen(FlopPhase::Forward, full, 64), "nm");
  EXPECT_EQ(chosen(FlopPhase::DataGradient, full, 64), "nm");
  EXPECT_EQ(chosen(FlopPhase::WeightGradient, full, 64), "sampled/nm");
  const Mask one_less = full - Mask::from_positions(full.shape(), std::vector<std::int64_t>{full.select(9)});
  EXPECT_EQ(one_less.pattern(), Pattern::nm(2, 4));
  for (const FlopPhase phase : {FlopPhase::Forward, FlopPhase::DataGradient, FlopPhase::WeightGradient}) {
    EXPECT_FALSE(std::string(chosen(phase, one_less, 64)).ends_with("nm"));
  }
  // What is trained of it is sampled by the unstructured kernel.
  const Tensor weight =
      Tensor::masked(integers({12, 16}, kFloat32, generator), random_groups({12, 16}, 2, 4, generator));
  WeightState& state = weight.weight_state();
  state.set_trainable(state.alive() & random_blocks({12, 16}, 1, 1, 50, generator));
  const std::set<std::string> seen = check({9, 12, 16}, weight);
  EXPECT_TRUE(seen.contains("nm") && seen.contains("sampled") && !seen.contains("sampled/nm"));
}

/// The plan that gives what `run` does to the kernels of row groups.
template <class Run>
Plan plan_of_groups(Run run) {
  const PlanRecorder recorder;
  run();
  Plan plan;
  for (const auto& [key, candidate] : recorder.plan().entries()) {
    plan.set(key, key.starts_with("linear/weight_gradient") ? "sampled/groups" : "csr/groups");
  }
  return plan;
}

TEST(LinearCandidates, BlockGradientsAgreeWithDifferences) {
  Generator generator(6);
  const Tensor dense = Tensor::randn({11, 9}, generator, {.dtype = kFloat64});
  const Mask mask = random_blocks({11, 9}, 4, 1, 40, generator);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  const Tensor x = Tensor::randn({13, 9}, generator, options);
  const auto step = [&](const Tensor& weight) { sum(linear(x, weight)).backward(); };
  const Plan plan = plan_of_groups([&] { step(Tensor::masked(dense, mask).requires_grad_()); });
  ASSERT_EQ(plan.entries().size(), 3U);
  const PlanScope scope(plan);
  gradcheck([&](const std::vector<Tensor>& in) { return std::vector{linear(in[0], Tensor::masked(dense, mask))}; },
            {x});

  const Tensor r = Tensor::randn({13, 11}, generator, {.dtype = kFloat64});
  Tensor weight = Tensor::masked(dense, mask).requires_grad_();
  linear(x.detach(), weight).backward(r);
  const auto loss = [&](std::int64_t position, double change) {
    Tensor moved = dense.clone();
    moved.data<double>()[position] += change;
    const std::vector<double> y = linear(x.detach(), Tensor::masked(moved, mask)).to_vector<double>();
    const std::vector<double> rs = r.to_vector<double>();
    double sum = 0.0;
    for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * rs[i];
    return sum;
  };
  mask.for_each([&](std::int64_t position, std::int64_t slot) {
    const double numeric = (loss(position, 1e-5) - loss(position, -1e-5)) / 2e-5;
    EXPECT_NEAR(weight.grad().data<double>()[slot], numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << position;
  });
}

}  // namespace
}  // namespace coppice
