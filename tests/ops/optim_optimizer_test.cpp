#include <gtest/gtest.h>

#include <functional>
#include <memory>
#include <vector>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>

#include "optim_support.h"

namespace coppice::optim {
namespace {

TEST(Optimizer, GroupsHaveTheirOwnRates) {
  Tensor a = parameter({1});
  Tensor b = parameter({1});
  SGD optimizer(std::vector<ParamGroup>{{.params = {a}, .lr = 0.25, .weight_decay = 1.0}, {.params = {b}}},
                {.lr = 0.5});
  optimizer.set_lr_factor(0.5);
  a.set_grad(Tensor::of({1.0}));
  b.set_grad(Tensor::of({1.0}));
  optimizer.step();
  EXPECT_EQ(a.item<double>(), 0.75);
  EXPECT_EQ(b.item<double>(), 0.75);
  EXPECT_EQ(optimizer.lr(), 0.125);
  optimizer.set_lr(0.5);
  EXPECT_EQ(optimizer.lr_factor(), 2.0);
}

TEST(Optimizer, SplitsDecayByRank) {
  const Tensor matrix = Tensor::ones({2, 2});
  const Tensor masked = Tensor::masked(Tensor::ones({2, 2}), Mask::all({2, 2}));
  const Tensor bias = Tensor::ones({2});
  const std::vector<ParamGroup> groups = split_decay({matrix, bias, masked}, 0.1);
  ASSERT_EQ(groups.size(), 2U);
  ASSERT_EQ(groups[0].params.size(), 2U);
  EXPECT_TRUE(groups[0].params[0].is_same(matrix));
  EXPECT_TRUE(groups[0].params[1].is_same(masked));
  EXPECT_EQ(groups[0].weight_decay, 0.1);
  EXPECT_TRUE(groups[1].params[0].is_same(bias));
  EXPECT_EQ(groups[1].weight_decay, 0.0);
  EXPECT_EQ(split_decay({bias}, 0.1).size(), 1U);
  // A zero rate for biases wins over the optimiser's.
  Tensor w = parameter({1});
  SGD optimizer(split_decay({w}, 0.5), {.lr = 1, .weight_decay = 0.5});
  step_with(optimizer, w, Tensor::of({0.0}));
  EXPECT_EQ(w.item<double>(), 1.0);
}

TEST(Optimizer, SkipsWhatHasNoGradient) {
  Tensor a = parameter({1});
  Tensor b = parameter({1});
  SGD optimizer(std::vector<Tensor>{a, b}, {.lr = 1, .momentum = 0.5, .weight_decay = 0.5});
  const std::uint64_t version = b.version();
  step_with(optimizer, a, Tensor::of({1.0}));
  EXPECT_EQ(b.item<double>(), 1.0);
  EXPECT_EQ(b.version(), version);
  EXPECT_EQ(optimizer.state_dict().at("1.step").item<std::int64_t>(), 0);
  const std::uint64_t before = a.version();
  optimizer.step();
  EXPECT_GT(a.version(), before);
  optimizer.zero_grad();
  EXPECT_FALSE(a.grad().defined());
}

TEST(Optimizer, RefusesWhatItCannotUpdate) {
  const auto sgd = [](std::vector<Tensor> params) { SGD(std::move(params), {}); };
  Tensor w = parameter({1});
  EXPECT_THROW(sgd({}), Error);
  EXPECT_THROW(sgd({w, w}), Error);
  EXPECT_THROW(sgd({Tensor()}), Error);
  EXPECT_THROW(sgd({Tensor::arange(3)}), Error);
}

TEST(Optimizer, RefusesAPackedGradientFromBeforeAChangeOfTheMask) {
  const Shape shape{4};
  Tensor w = Tensor::masked(Tensor::ones(shape), Mask::from_positions(shape, std::vector<std::int64_t>{0, 1}))
                 .requires_grad_();
  SGD optimizer(std::vector<Tensor>{w}, {.lr = 1});
  w.set_grad(Tensor::ones({2}));
  w.weight_state().prune(Mask::from_positions(shape, std::vector<std::int64_t>{0}));
  w.weight_state().grow(Mask::from_positions(shape, std::vector<std::int64_t>{3}));
  EXPECT_THROW(optimizer.step(), Error);
  EXPECT_EQ(w.to_dense().to_vector<float>(), (std::vector<float>{0, 1, 0, 0}));
  // A dense one has a place for every weight.
  step_with(optimizer, w, Tensor::ones(shape));
  EXPECT_EQ(w.to_dense().to_vector<float>(), (std::vector<float>{0, 0, 0, -1}));
}

TEST(Optimizer, AResumedRunGoesOnBitForBit) {
  const Shape shape{9, 11};
  Generator generator(6);
  const Mask alive = Mask::random(shape, 30, generator);
  const Tensor start = Tensor::randn(shape, generator);
  struct Run {
    Run(const Tensor& values, const Mask& mask)
        : masked(Tensor::masked(values, mask).requires_grad_()),
          dense(masked_out(values, mask).requires_grad_()),
          optimizer(std::vector<Tensor>{masked, dense}, {.lr = 0.1}) {}
    void step(Generator& gradients) {
      masked.set_grad(Tensor::randn({30}, gradients));
      dense.set_grad(Tensor::randn(masked.shape(), gradients));
      optimizer.step();
    }
    Tensor masked, dense;
    AdamW optimizer;
  };
  Run whole(start, alive);
  for (int i = 0; i < 3; ++i) whole.step(generator);
  Run resumed(whole.masked.to_dense(), alive);
  detail::copy_into(resumed.dense, whole.dense);
  const std::map<std::string, Tensor> saved = whole.optimizer.state_dict();
  resumed.optimizer.load_state_dict(saved);
  Generator same = generator;
  for (int i = 0; i < 3; ++i) whole.step(generator);
  for (int i = 0; i < 3; ++i) resumed.step(same);
  EXPECT_TRUE(bit_equal(whole.masked.to_dense(), resumed.masked.to_dense()));
  EXPECT_TRUE(bit_equal(whole.dense.detach(), resumed.dense.detach()));

  for (const char* key : {"2.step", "exp_avg", "", "x.exp_avg", "-1.exp_avg", "."}) {
    std::map<std::string, Tensor> broken = saved;
    broken[key] = Tensor::full({}, 1, {.dtype = kInt64});
    EXPECT_THROW(resumed.optimizer.load_state_dict(broken), Error) << key;
  }
  std::map<std::string, Tensor> broken = saved;
  broken["0.exp_avg"] = Tensor::ones({3});
  EXPECT_THROW(resumed.optimizer.load_state_dict(broken), Error);
  broken = saved;
  broken.erase("1.step");
  EXPECT_THROW(resumed.optimizer.load_state_dict(broken), Error);
}

struct Method {
  const char* name;
  std::function<std::unique_ptr<Optimizer>(const Tensor&)> make;
};

std::vector<Method> methods() {
  return {{"momentum",
           [](const Tensor& w) {
             return std::make_unique<SGD>(std::vector<Tensor>{w},
                                          SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1});
           }},
          {"nesterov",
           [](const Tensor& w) {
             return std::make_unique<SGD>(
                 std::vector<Tensor>{w}, SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 0.1, .nesterov = true});
           }},
          {"adamw", [](const Tensor& w) {
             return std::make_unique<AdamW>(std::vector<Tensor>{w}, AdamWOptions{.lr = 0.1, .weight_decay = 0.1});
           }}};
}

/// Entries that are stored and not alive: exactly zero, whatever the optimiser did.
std::int64_t nonzero_dead(const WeightState& weight) {
  const Tensor stored = WeightState::scatter(weight.values(), weight.stored());
  return (Mask::from_nonzero(stored) - weight.alive()).count();
}

TEST(Optimizer, DeadWeightsStayExactlyZeroAndFrozenOnesUntouched) {
  const Shape shape{30, 40};
  for (const Method& method : methods()) {
    for (const std::int64_t kept : {60, 500, 800}) {
      SCOPED_TRACE(std::string(method.name) + ' ' + std::to_string(kept));
      Generator generator(8);
      Tensor w = Tensor::masked(Tensor::randn(shape, generator), Mask::random(shape, kept, generator)).requires_grad_();
      WeightState& weight = w.weight_state();
      const std::unique_ptr<Optimizer> optimizer = method.make(w);
      const auto train = [&] {
        for (int i = 0; i < 4; ++i) {
          step_with(*optimizer, w, Tensor::randn({weight.trainable().count()}, generator));
          w.set_grad({});
          ASSERT_EQ(nonzero_dead(weight), 0);
          ASSERT_EQ(Mask::from_nonzero(w.to_dense()), weight.alive());
        }
      };
      train();
      for (int round = 0; round < 3; ++round) {
        const Mask before = weight.alive();
        std::vector<std::int64_t> drop;
        before.for_each([&](std::int64_t position, std::int64_t slot) {
          if (slot % 5 == 0) drop.push_back(position);
        });
        weight.prune(Mask::from_positions(shape, drop), Dormant::Keep);
        train();
        const Mask frozen = weight.alive();
        const Tensor frozen_values = WeightState::remap(weight.values(), weight.stored(), frozen);
        std::map<std::string, Tensor> frozen_states;
        for (const auto& [name, vector] : weight.states()) {
          frozen_states[name] = WeightState::remap(vector, weight.stateful(), frozen);
        }
        weight.wake(~frozen, WakeValue::Dormant);
        train();
        const Mask awake = weight.awake();
        std::vector<std::int64_t> grown;
        awake.for_each([&](std::int64_t position, std::int64_t slot) {
          if (slot < static_cast<std::int64_t>(drop.size())) grown.push_back(position);
        });
        weight.grow(Mask::from_positions(shape, grown));
        train();
        weight.sleep();
        EXPECT_EQ(weight.alive().count(), kept);
        EXPECT_TRUE(bit_equal(WeightState::remap(weight.values(), weight.stored(), frozen), frozen_values));
        for (const auto& [name, vector] : frozen_states) {
          EXPECT_TRUE(bit_equal(WeightState::remap(weight.state(name), weight.stateful(), frozen), vector)) << name;
        }
        train();
      }
    }
  }
}

}  // namespace
}  // namespace coppice::optim
