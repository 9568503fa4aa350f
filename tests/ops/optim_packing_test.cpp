#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <coppice/core/parallel.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/ops/optim/update.h>

#include "optim_support.h"

namespace coppice::optim {
namespace {

/// A step of one element, from the formulas in sgd.h and adamw.h.
template <class T>
void reference_step(const SgdOptions& o, std::int64_t step, T& w, T g, T& b, T&) {
  const T d = g + static_cast<T>(o.weight_decay) * w;
  if (o.momentum == 0.0) {
    w -= static_cast<T>(o.lr) * d;
    return;
  }
  const T fresh = step == 1 || o.nesterov ? T{1} : static_cast<T>(1.0 - o.dampening);
  b = static_cast<T>(o.momentum) * b + fresh * d;
  w -= static_cast<T>(o.lr) * (o.nesterov ? d + static_cast<T>(o.momentum) * b : b);
}
template <class T>
void reference_step(const AdamWOptions& o, std::int64_t step, T& w, T g, T& m, T& v) {
  const double t = static_cast<double>(step);
  m += static_cast<T>(1.0 - o.betas[0]) * (g - m);
  v = static_cast<T>(o.betas[1]) * v + static_cast<T>(1.0 - o.betas[1]) * (g * g);
  const T rate = static_cast<T>(o.lr / (1.0 - std::pow(o.betas[0], t)));
  const T root = static_cast<T>(std::sqrt(1.0 - std::pow(o.betas[1], t)));
  w = static_cast<T>(1.0 - o.lr * o.weight_decay) * w - rate * (m / (std::sqrt(v) / root + static_cast<T>(o.eps)));
}

/// Trains all that is alive, then ever smaller parts of it, and compares values and state with plain loops over dense
/// arrays bit for bit.
template <class T, class Opt, class Options>
void expect_plain_loops(const Options& options, const std::vector<const char*>& names, const Shape& shape,
                        double density) {
  Generator generator(23);
  const DType dtype = dtype_of<T>();
  const auto share = [&](const Mask& of, double part) {
    std::vector<std::int64_t> positions;
    of.for_each([&](std::int64_t position, std::int64_t) {
      if (generator.uniform_double() < part) positions.push_back(position);
    });
    return Mask::from_positions(shape, positions);
  };
  const Mask alive = share(Mask::all(shape), density);
  const Tensor start = Tensor::randn(shape, generator, {.dtype = dtype});
  Tensor weight = Tensor::masked(start, alive).requires_grad_();
  std::vector<T> values = weight.to_dense().template to_vector<T>();
  std::vector<std::vector<T>> states(2, std::vector<T>(values.size()));
  Opt optimizer(std::vector<Tensor>{weight}, options);
  Mask trained = alive;
  for (std::int64_t step = 1; step <= 5; ++step) {
    if (step > 2) {
      trained = share(trained, 0.7);
      weight.weight_state().set_trainable(trained);
    }
    const Tensor gradient = Tensor::randn(shape, generator, {.dtype = dtype});
    step_with(optimizer, weight, WeightState::gather(gradient, trained));
    trained.for_each([&](std::int64_t position, std::int64_t) {
      const auto i = static_cast<std::size_t>(position);
      reference_step(options, step, values[i], gradient.data<T>()[i], states[0][i], states[1][i]);
    });
    ASSERT_TRUE(bit_equal(weight.to_dense(), Tensor::of(values, shape))) << shape << ' ' << density << ' ' << step;
    for (std::size_t s = 0; s < names.size(); ++s) {
      const WeightState& held = weight.weight_state();
      ASSERT_TRUE(
          bit_equal(WeightState::scatter(held.states().at(names[s]), held.stateful()), Tensor::of(states[s], shape)))
          << names[s] << ' ' << shape << ' ' << density << ' ' << step;
    }
  }
}

template <class T>
class Packing : public testing::Test {};
using Types = testing::Types<float, double>;
TYPED_TEST_SUITE(Packing, Types);

template <class T>
void expect_all_rules(const Shape& shape, double density) {
  expect_plain_loops<T, SGD>(SgdOptions{.lr = 0.1, .weight_decay = 0.01}, {}, shape, density);
  expect_plain_loops<T, SGD>(SgdOptions{.lr = 0.1, .momentum = 0.9, .dampening = 0.2, .weight_decay = 0.01},
                             {"momentum_buffer"}, shape, density);
  expect_plain_loops<T, SGD>(SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.01, .nesterov = true},
                             {"momentum_buffer"}, shape, density);
  expect_plain_loops<T, AdamW>(AdamWOptions{.lr = 0.01, .weight_decay = 0.1}, {"exp_avg", "exp_avg_sq"}, shape,
                               density);
}

TYPED_TEST(Packing, StepsMatchPlainLoopsWhateverIsFrozen) {
  for (const Shape& shape : {Shape{1}, Shape{63}, Shape{64}, Shape{7, 11, 13}}) {
    for (const double density : {0.0, 0.1, 0.5, 0.6, 0.95, 1.0}) expect_all_rules<TypeParam>(shape, density);
  }
  const int threads = num_threads();
  for (const int used : {1, 2, 3}) {
    set_num_threads(used);
    for (const double density : {0.1, 0.8}) expect_all_rules<TypeParam>(Shape{201, 333}, density);
  }
  set_num_threads(threads);
}

/// An optimiser of a user's own: w ← w − lr · sign(Σ ∇).
class SignOfSum : public Optimizer {
 public:
  explicit SignOfSum(const Tensor& parameter) : Optimizer("SignOfSum", {{.params = {parameter}}}, 0.5, 0.0) {}

 protected:
  void update(ParamUpdate& parameter) override {
    const double lr = parameter.lr();
    parameter.apply<double, 1>({"sum"}, [=](double& weight, double gradient, double& sum) {
      sum += gradient;
      weight -= lr * (sum > 0.0 ? 1.0 : -1.0);
    });
  }
};

TEST(ParamUpdate, AppliesARuleOfOnesOwn) {
  const Shape shape{9, 10};
  Generator generator(2);
  const Mask alive = Mask::random(shape, 70, generator);
  const Mask trained =
      alive - Mask::from_positions(shape, std::vector<std::int64_t>{alive.select(3), alive.select(69)});
  for (const Mask& at : {alive, trained}) {
    Tensor weight = Tensor::masked(Tensor::ones(shape, {.dtype = kFloat64}), alive).requires_grad_();
    SignOfSum optimizer(weight);
    weight.weight_state().set_trainable(at);
    std::vector<double> expected = weight.to_dense().to_vector<double>();
    std::vector<double> sums(expected.size());
    for (int step = 0; step < 3; ++step) {
      const Tensor gradient = Tensor::randn(shape, generator, {.dtype = kFloat64});
      step_with(optimizer, weight, WeightState::gather(gradient, at));
      at.for_each([&](std::int64_t position, std::int64_t) {
        const auto i = static_cast<std::size_t>(position);
        sums[i] += gradient.data<double>()[i];
        expected[i] -= sums[i] > 0.0 ? 0.5 : -0.5;
      });
    }
    EXPECT_EQ(weight.to_dense().to_vector<double>(), expected);
  }
}

}  // namespace
}  // namespace coppice::optim
