#include <coppice/ops/linear.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <vector>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/core/flops.h>
#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/linear_candidates.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/sparse_structure.h>

#include "tests/autograd/leak_check.h"
#include "tests/cases/linear_cases.h"
#include "tests/cases/simd_targets.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using cases::LinearCase;

Tensor small_integers(const Shape& shape, Generator& generator, DType dtype) {
  return Tensor::randint(-3, 4, shape, generator).to(dtype);
}

/// y = x · Wᵀ + bias by three plain loops, in double.
std::vector<double> naive_forward(const Tensor& x, const Tensor& dense, const Tensor& bias) {
  const std::int64_t n = x.size(0), m = dense.size(0), k = dense.size(1);
  const std::vector<double> xs = x.to_vector<double>(), ws = dense.to_vector<double>();
  std::vector<double> out;
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      double sum = bias.defined() ? bias.to_vector<double>()[static_cast<std::size_t>(j)] : 0.0;
      for (std::int64_t p = 0; p < k; ++p) {
        sum += xs[static_cast<std::size_t>(i * k + p)] * ws[static_cast<std::size_t>(j * k + p)];
      }
      out.push_back(sum);
    }
  }
  return out;
}

std::vector<double> naive_data_gradient(const Tensor& d_y, const Tensor& dense) {
  const std::int64_t n = d_y.size(0), m = dense.size(0), k = dense.size(1);
  const std::vector<double> dys = d_y.to_vector<double>(), ws = dense.to_vector<double>();
  std::vector<double> out(static_cast<std::size_t>(n * k));
  for (std::int64_t i = 0; i < n; ++i) {
    for (std::int64_t j = 0; j < m; ++j) {
      for (std::int64_t p = 0; p < k; ++p) {
        out[static_cast<std::size_t>(i * k + p)] +=
            dys[static_cast<std::size_t>(i * m + j)] * ws[static_cast<std::size_t>(j * k + p)];
      }
    }
  }
  return out;
}

/// d_yᵀ · x at the set positions of the mask, in order.
std::vector<double> naive_weight_gradient(const Tensor& d_y, const Tensor& x, const Mask& at) {
  const std::int64_t n = x.size(0), m = d_y.size(1), k = x.size(1);
  const std::vector<double> dys = d_y.to_vector<double>(), xs = x.to_vector<double>();
  std::vector<double> out;
  for (std::int64_t position = 0; position < m * k; ++position) {
    if (!at.test(position)) continue;
    double sum = 0.0;
    for (std::int64_t i = 0; i < n; ++i) {
      sum += dys[static_cast<std::size_t>(i * m + position / k)] * xs[static_cast<std::size_t>(i * k + position % k)];
    }
    out.push_back(sum);
  }
  return out;
}

struct Layer {
  Layer(const LinearCase& c, DType dtype, std::uint64_t seed) : generator(seed) {
    const Shape shape{c.m, c.k};
    dense = small_integers(shape, generator, dtype);
    alive = Mask::random(shape, c.alive, generator);
    weight = Tensor::masked(dense, alive);
    x = small_integers({c.n, c.k}, generator, dtype);
    d_y = small_integers({c.n, c.m}, generator, dtype);
    bias = small_integers({c.m}, generator, dtype);
  }
  Generator generator;
  Tensor dense, weight, x, d_y, bias;
  Mask alive;
};

void expect_exact_on_small_integers() {
  for (const DType dtype : {kFloat32, kFloat64}) {
    for (const LinearCase& c : cases::linear_edges()) {
      const Layer layer(c, dtype, 7);
      const WeightState& state = layer.weight.weight_state();
      const Tensor dense = layer.weight.to_dense();
      for (const LinearCandidate& candidate : linear_candidates(FlopPhase::Forward)) {
        if (!candidate.can_run(state)) continue;
        const Tensor y = candidate.run(state, {.x = layer.x, .y = {}, .bias = layer.bias});
        EXPECT_EQ(y.to_vector<double>(), naive_forward(layer.x, dense, layer.bias)) << candidate.name << ' ' << c;
        const Tensor without_bias = candidate.run(state, {.x = layer.x, .y = {}});
        EXPECT_EQ(without_bias.to_vector<double>(), naive_forward(layer.x, dense, {})) << candidate.name << ' ' << c;
      }
      for (const LinearCandidate& candidate : linear_candidates(FlopPhase::DataGradient)) {
        if (!candidate.can_run(state)) continue;
        const Tensor d_x = candidate.run(state, {.x = {}, .y = layer.d_y});
        EXPECT_EQ(d_x.to_vector<double>(), naive_data_gradient(layer.d_y, dense)) << candidate.name << ' ' << c;
      }
      for (const LinearCandidate& candidate : linear_candidates(FlopPhase::WeightGradient)) {
        if (!candidate.can_run(state)) continue;
        const Tensor gradient = candidate.run(state, {.x = layer.x, .y = layer.d_y});
        EXPECT_EQ(gradient.to_vector<double>(), naive_weight_gradient(layer.d_y, layer.x, layer.alive))
            << candidate.name << ' ' << c;
      }
    }
  }
}

TEST(Linear, EveryCandidateOfEveryPassMatchesThreeLoopsExactlyOnEveryInstructionSet) {
  cases::for_each_simd_target([](const char* target) {
    SCOPED_TRACE(target);
    expect_exact_on_small_integers();
  });
}

TEST(Linear, CandidatesCoverFullRowsEmptyRowsAndFullColumns) {
  // Row 0 full, row 1 empty, column 2 full: 5 + 0 + 1 + 1 alive.
  const Tensor pattern = Tensor::of<float>({1, 1, 1, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0, 0}, Shape{4, 5});
  Generator generator(3);
  const Tensor dense = small_integers({4, 5}, generator, kFloat32) + 5.0;
  const Tensor weight = Tensor::masked(dense, Mask::from_nonzero(pattern));
  const Tensor x = small_integers({70, 5}, generator, kFloat32);
  const Tensor d_y = small_integers({70, 4}, generator, kFloat32);
  const WeightState& state = weight.weight_state();
  for (const LinearCandidate& candidate : linear_candidates(FlopPhase::Forward)) {
    if (!candidate.can_run(state)) continue;
    EXPECT_EQ(candidate.run(state, {.x = x, .y = {}}).to_vector<double>(), naive_forward(x, weight.to_dense(), {}))
        << candidate.name;
  }
  for (const LinearCandidate& candidate : linear_candidates(FlopPhase::DataGradient)) {
    if (!candidate.can_run(state)) continue;
    EXPECT_EQ(candidate.run(state, {.x = {}, .y = d_y}).to_vector<double>(),
              naive_data_gradient(d_y, weight.to_dense()))
        << candidate.name;
  }
}

TEST(Linear, ChoosesSparseKernelsWhereFewAreAliveAndDenseOnesWhereManyAre) {
  Generator generator(4);
  const auto chosen = [&](std::int64_t alive, FlopPhase phase) {
    const Shape shape{300, 784};
    const Tensor weight = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, alive, generator));
    return std::string(choose_linear(phase, weight.weight_state(), 64).name);
  };
  EXPECT_EQ(chosen(23520, FlopPhase::Forward), "csr/panel");
  EXPECT_EQ(chosen(23520, FlopPhase::DataGradient), "csc/panel");
  EXPECT_EQ(chosen(23520, FlopPhase::WeightGradient), "sampled");
  EXPECT_EQ(chosen(94080, FlopPhase::Forward), "csr/panel");  // 60 % sparsity
  EXPECT_EQ(chosen(235200, FlopPhase::Forward), "dense");
  EXPECT_EQ(chosen(235200, FlopPhase::DataGradient), "dense");
  EXPECT_EQ(chosen(235200, FlopPhase::WeightGradient), "dense/gathered");
}

TEST(Linear, SingleAgreesWithDoubleWithinRounding) {
  Generator generator(5);
  const Shape shape{40, 900};
  const Tensor weight = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, 7200, generator));
  const Tensor x = Tensor::randn({70, 900}, generator);
  const std::vector<double> y = linear(x, weight).to_vector<double>();
  const std::vector<double> exact = naive_forward(x, weight.to_dense(), {});
  const std::vector<double> magnitude = naive_forward(abs(x), abs(weight.to_dense()), {});
  for (std::size_t i = 0; i < y.size(); ++i) {
    // |error| ≤ c · ε · Σ|a||b| with c = 8: errors of about 180 terms mostly cancel.
    EXPECT_NEAR(y[i], exact[i], 8.0 * std::numeric_limits<float>::epsilon() * magnitude[i]) << i;
  }
}

Tensor masked_double(const Shape& shape, std::int64_t alive, Generator& generator) {
  const Tensor dense = Tensor::randn(shape, generator, {.dtype = kFloat64});
  return Tensor::masked(dense, Mask::random(shape, alive, generator));
}

TEST(Linear, DenseGradientsAgreeWithDifferencesTwice) {
  Generator generator(6);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  const std::vector<Tensor> inputs = {Tensor::randn({2, 3, 5}, generator, options),
                                      Tensor::randn({4, 5}, generator, options),
                                      Tensor::randn({4}, generator, options)};
  gradcheck([](const std::vector<Tensor>& in) { return std::vector<Tensor>{linear(in[0], in[1], in[2])}; }, inputs,
            {.double_backward = true});
}

TEST(Linear, MaskedInputAndBiasGradientsAgreeWithDifferences) {
  Generator generator(7);
  const TensorOptions options{.dtype = kFloat64, .requires_grad = true};
  const Tensor weight = masked_double({6, 9}, 15, generator);
  const std::vector<Tensor> inputs = {Tensor::randn({11, 9}, generator, options),
                                      Tensor::randn({6}, generator, options)};
  gradcheck([&](const std::vector<Tensor>& in) { return std::vector<Tensor>{linear(in[0], weight, in[1])}; }, inputs);
}

/// The packed weight gradient against central differences of every trainable value; Σ linear(x, W) ⊙ r.
void check_packed_gradient(const Tensor& weight, Generator& generator) {
  const std::int64_t k = weight.size(1), m = weight.size(0);
  const Tensor x = Tensor::randn({13, k}, generator, {.dtype = kFloat64});
  const Tensor r = Tensor::randn({13, m}, generator, {.dtype = kFloat64});
  weight.set_grad({});
  linear(x, weight).backward(r);
  const Tensor gradient = weight.grad();
  WeightState& state = weight.weight_state();
  ASSERT_EQ(gradient.shape(), Shape{state.trainable().count()});
  state.trainable().for_each([&](std::int64_t position, std::int64_t slot) {
    double& value = state.values().data<double>()[state.stored().rank(position)];
    const double before = value;
    const double step = 1e-5;
    const auto loss = [&](double moved) {
      NoGrad no_grad;
      value = moved;
      state.bump_values();
      const std::vector<double> y = linear(x, weight).to_vector<double>(), rs = r.to_vector<double>();
      double sum = 0.0;
      for (std::size_t i = 0; i < y.size(); ++i) sum += y[i] * rs[i];
      return sum;
    };
    const double numeric = (loss(before + step) - loss(before - step)) / (2.0 * step);
    loss(before);
    EXPECT_NEAR(gradient.data<double>()[slot], numeric, 1e-6 * std::max(1.0, std::abs(numeric))) << position;
  });
}

TEST(Linear, PackedWeightGradientAgreesWithDifferences) {
  Generator generator(8);
  Tensor weight = masked_double({6, 9}, 15, generator).requires_grad_();
  check_packed_gradient(weight, generator);
}

TEST(Linear, OnlyWokenWeightsGetGradientsDuringExploration) {
  Generator generator(9);
  Tensor weight = masked_double({6, 9}, 15, generator).requires_grad_();
  WeightState& state = weight.weight_state();
  Generator mask_generator(10);
  const Mask explore = Mask::random({6, 9}, 30, mask_generator) - state.alive();
  state.wake(explore, WakeValue::Init, true, Tensor::randn({6, 9}, generator, {.dtype = kFloat64}));
  ASSERT_EQ(state.trainable(), explore);
  check_packed_gradient(weight, generator);
  state.sleep(Dormant::Keep);
  check_packed_gradient(weight, generator);
}

TEST(Linear, FineTuningOfSomeSurvivorsGivesGradientsOfThoseOnly) {
  Generator generator(11);
  Tensor weight = masked_double({6, 90}, 150, generator).requires_grad_();
  WeightState& state = weight.weight_state();
  const Mask half = state.alive() & Mask::random({6, 90}, 270, generator);
  state.set_trainable(half);
  check_packed_gradient(weight, generator);
}

TEST(Linear, GradientKindDenseGivesEveryWeightAndNoneGivesNothing) {
  const Layer layer({.n = 20, .m = 8, .k = 12, .alive = 10}, kFloat32, 12);
  Tensor weight = layer.weight;
  weight.requires_grad_();
  weight.weight_state().set_gradient_kind(GradientKind::Dense);
  linear(layer.x, weight).backward(layer.d_y);
  EXPECT_EQ(weight.grad().shape(), (Shape{8, 12}));
  EXPECT_EQ(weight.grad().to_vector<double>(), naive_weight_gradient(layer.d_y, layer.x, Mask::all({8, 12})));

  weight.set_grad({});
  weight.weight_state().set_gradient_kind(GradientKind::None);
  linear(layer.x, weight).backward(layer.d_y);
  EXPECT_FALSE(weight.grad().defined());
}

TEST(Linear, AMaskChangedBetweenForwardAndBackwardThrows) {
  const Layer layer({.n = 20, .m = 8, .k = 12, .alive = 10}, kFloat32, 13);
  Tensor weight = layer.weight;
  weight.requires_grad_();
  const Tensor y = linear(layer.x, weight);
  weight.weight_state().prune(weight.weight_state().alive());
  EXPECT_THROW(y.backward(layer.d_y), Error);
}

TEST(Linear, StructuresFollowTheMask) {
  const Layer layer({.n = 20, .m = 8, .k = 12, .alive = 10}, kFloat32, 14);
  WeightState& state = layer.weight.weight_state();
  EXPECT_EQ(alive_rows(state)->view().entries(), 10);
  EXPECT_EQ(alive_columns(state)->view().entries(), 10);
  EXPECT_EQ(trainable_rows(state).get(), alive_rows(state).get());
  Generator generator(15);
  const Mask grown = Mask::random({8, 12}, 9, generator) - state.alive();
  state.grow(grown);
  EXPECT_EQ(alive_rows(state)->view().entries(), state.alive().count());
  EXPECT_EQ(linear(layer.x, layer.weight).to_vector<double>(), naive_forward(layer.x, layer.weight.to_dense(), {}));
}

TEST(Linear, IsBitwiseTheSameForAnyNumberOfThreads) {
  Generator generator(16);
  const int before = num_threads();
  for (const double density : {0.03, 0.3, 0.9}) {
    const Shape shape{150, 700};
    const auto alive = static_cast<std::int64_t>(density * 150 * 700);
    Tensor weight = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, alive, generator));
    weight.requires_grad_();
    const Tensor x = Tensor::randn({100, 700}, generator, {.requires_grad = true});
    const Tensor bias = Tensor::randn({150}, generator, {.requires_grad = true});
    const Tensor d_y = Tensor::randn({100, 150}, generator);
    const auto run = [&](int threads) {
      set_num_threads(threads);
      const Tensor y = linear(x, weight, bias);
      std::vector<Tensor> results = grad({y}, {x, weight, bias}, {d_y});
      results.push_back(y.detach());
      return results;
    };
    const std::vector<Tensor> alone = run(1);
    for (const int threads : {2, 3}) {
      const std::vector<Tensor> together = run(threads);
      for (std::size_t i = 0; i < alone.size(); ++i) {
        EXPECT_TRUE(bit_equal(together[i], alone[i])) << "result " << i << ", " << threads << " threads";
      }
    }
  }
  set_num_threads(before);
}

TEST(Linear, ReportsFlopsOfWhatIsAliveAndTrainable) {
  const Layer layer({.n = 20, .m = 8, .k = 12, .alive = 10}, kFloat32, 17);
  Tensor weight = layer.weight, x = layer.x;
  weight.requires_grad_();
  x.requires_grad_();
  weight.weight_state().set_trainable(Mask::none({8, 12}));
  FlopScope scope;
  linear(x, weight).backward(layer.d_y);
  EXPECT_EQ(scope.count().effective, (std::array<double, 3>{400, 400, 0}));
  EXPECT_EQ(scope.count().dense, (std::array<double, 3>{3840, 3840, 3840}));
  scope.reset();
  x = x.detach();
  Tensor dense = layer.dense.detach();
  dense.requires_grad_();
  linear(x, dense).backward(layer.d_y);
  EXPECT_EQ(scope.count().effective, (std::array<double, 3>{3840, 0, 3840}));
}

TEST(Linear, ParameterStateFitsAFifthOfDenseAtNinetyPercent) {
  Generator generator(18);
  const Shape shape{300, 784};
  Tensor weight = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, 23520, generator));
  weight.requires_grad_();
  const Tensor x = Tensor::randn({8, 784}, generator, {.requires_grad = true});
  sum(linear(x, weight)).backward();
  WeightState& state = weight.weight_state();
  state.state("exp_avg");
  state.state("exp_avg_sq");
  const double dense = 16.0 * 300 * 784;
  EXPECT_LE(static_cast<double>(state.bytes() + weight.grad().nbytes()), 0.165 * dense);
}

TEST(Linear, FreesWhatItSaves) {
  const Layer layer({.n = 20, .m = 8, .k = 12, .alive = 10}, kFloat32, 19);
  Tensor x = layer.x, weight = layer.weight, dense = layer.dense, bias = layer.bias;
  for (Tensor* leaf : {&x, &weight, &dense, &bias}) leaf->requires_grad_();
  const auto run = [](const std::vector<Tensor>& in) { return std::vector<Tensor>{linear(in[0], in[1], in[2])}; };
  expect_no_leak(run, {x, dense, bias});
  expect_no_leak(run, {x, weight, bias}, {.create_graph = false});
}

TEST(Linear, SaysWhatDoesNotFit) {
  const Tensor x = Tensor::zeros({2, 5}), weight = Tensor::zeros({3, 4});
  EXPECT_EQ(error_of([&] { linear(x, weight); }),
            "[linear] input has 5 features but weight expects 4: input (2, 5), weight (3, 4)");
  EXPECT_EQ(error_of([&] {
              linear(Tensor::zeros({2, 4}), weight, Tensor::zeros({4}));
            }),
            "[linear] expects a bias (3); got (4) for weight (3, 4)");
  EXPECT_EQ(error_of([&] {
              linear(Tensor::zeros({2, 4}, {.dtype = kFloat64}), weight);
            }),
            "[linear] expects one dtype; got input float64, weight float32, bias float32; cast with to(…)");
}

}  // namespace
}  // namespace coppice
