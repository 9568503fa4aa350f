// Exploration: what it must not touch, what it starts from, what it leaves behind.

#include <coppice/sparsity/controller.h>

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <utility>
#include <vector>

#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/flatten.h>
#include <coppice/models/nn/linear.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::Rule;
using testing::short_iee;
using testing::state_at;
using testing::Training;
using testing::values_at;

TEST(Exploration, ExplorationTouchesNothingAlive) {
  for (const Rule rule : {Rule::Sgd, Rule::Nesterov, Rule::AdamW}) {
    MaskPolicy policy = short_iee(3, 2, 4);
    policy.dense_last = true;  // a dense layer is frozen like the rest
    Training training(policy, 60, 1, rule, 1e-2);
    const std::vector<std::string> names = rule == Rule::AdamW ? std::vector<std::string>{"exp_avg", "exp_avg_sq"}
                                                               : std::vector<std::string>{"momentum_buffer"};
    std::vector<Mask> alive;
    std::vector<Tensor> values, momenta, others;
    bool exploring = false;
    int explorations = 0;
    const auto others_now = [&] {
      std::vector<Tensor> result;
      for (const Tensor& parameter : training.model->parameters()) {
        if (!parameter.is_masked()) result.push_back(parameter.to_dense());
      }
      return result;
    };
    for (std::int64_t at = 0; at < 60; ++at) {
      const bool explores = training.controller->decide(at).exploring;
      if (explores && !exploring) {
        ++explorations;
        alive.clear(), values.clear(), momenta.clear();
        for (WeightState* state : training.states()) {
          alive.push_back(state->alive());
          values.push_back(values_at(*state, state->alive()));
          for (const std::string& name : names) momenta.push_back(state_at(*state, name, state->alive()));
        }
        others = others_now();
      }
      exploring = explores;
      training.step(at);
      if (!explores) continue;
      std::size_t m = 0;
      for (std::size_t l = 0; l < alive.size(); ++l) {
        WeightState& state = *training.states()[l];
        EXPECT_TRUE(bit_equal(values_at(state, alive[l]), values[l]));
        for (const std::string& name : names) EXPECT_TRUE(bit_equal(state_at(state, name, alive[l]), momenta[m++]));
        if (training.controller->decide(at + 1).exploring) {
          EXPECT_EQ(state.alive().count(), state.alive().numel()) << "everything is awake";
          EXPECT_GT(Mask::from_nonzero(state.to_dense()).count(), state.alive().numel() / 2) << "and explored";
        }
      }
      const std::vector<Tensor> now = others_now();
      for (std::size_t p = 0; p < now.size(); ++p) EXPECT_TRUE(bit_equal(now[p], others[p]));
    }
    EXPECT_EQ(explorations, 5);
    for (const Tensor& parameter : training.model->parameters()) EXPECT_TRUE(parameter.requires_grad());
  }
}

TEST(Exploration, GrownWeightsContinueFromWhereTheyWereExplored) {
  for (const GrownValue grown : {GrownValue::Explored, GrownValue::Zero}) {
    for (const NewbornState newborn : {NewbornState::Zero, NewbornState::Keep}) {
      MaskPolicy policy = short_iee(3, 2, 4);
      policy.grown_value = grown;
      policy.newborn_state = newborn;
      Training training(policy, 60);
      for (std::int64_t at = 0; at < 8; ++at) training.step(at);
      std::vector<Mask> kept;
      for (WeightState* state : training.states()) kept.push_back(state->alive() - state->awake());
      training.step(8);
      for (std::size_t l = 0; l < kept.size(); ++l) {
        WeightState& state = *training.states()[l];
        const Mask newborns = state.alive() - kept[l];
        ASSERT_GT(newborns.count(), 0);
        const auto zeros = [&](const Tensor& packed) { return newborns.count() - Mask::from_nonzero(packed).count(); };
        EXPECT_EQ(zeros(values_at(state, newborns)), grown == GrownValue::Zero ? newborns.count() : 0);
        EXPECT_EQ(zeros(state_at(state, "momentum_buffer", newborns)) == newborns.count(),
                  newborn == NewbornState::Zero);
      }
    }
  }
}

TEST(Exploration, WokenWeightsStartWhereThePolicySays) {
  for (const Start start : {Start::Zero, Start::LastActive, Start::Dormant, Start::Initial}) {
    MaskPolicy policy = short_iee(2, 1, 3);
    policy.start = start;
    Training training(policy, 60);
    const std::vector<Tensor> initial = models::mlp({24, 40, 32, 5}, 1)->parameters();
    std::map<std::pair<std::size_t, std::int64_t>, float> expected;  // (layer, position) → value
    const auto remember = [&](std::size_t l, const Mask& at, const std::vector<float>& dense) {
      at.for_each([&](std::int64_t p, std::int64_t) { expected[{l, p}] = dense[static_cast<std::size_t>(p)]; });
    };
    if (start == Start::Initial) {
      for (std::size_t l = 0; l < 3; ++l) {
        remember(l, ~training.states()[l]->alive(), initial[2 * l].to_vector<float>());
      }
    }
    for (std::int64_t at = 0; at < 18; ++at) {
      std::vector<Mask> asleep;
      for (WeightState* state : training.states()) asleep.push_back(~state->alive());
      training.controller->begin_step(at);
      for (std::size_t l = 0; l < 3 && at % 6 == 3; ++l) {
        const std::vector<float> dense = training.states()[l]->to_dense().to_vector<float>();
        asleep[l].for_each([&](std::int64_t p, std::int64_t) {
          const auto found = expected.find({l, p});
          EXPECT_EQ(dense[static_cast<std::size_t>(p)], found == expected.end() ? 0.0F : found->second);
        });
      }
      training.backward();
      // The last step of a phase moves the weights once more before masks change: replay it to see where it led.
      std::vector<Mask> alive;
      for (WeightState* state : training.states()) alive.push_back(state->alive());
      if (at % 6 == 1 || at % 6 == 5) {
        training.optimizer->step();
        std::vector<std::vector<float>> dense;
        for (WeightState* state : training.states()) dense.push_back(state->to_dense().to_vector<float>());
        for (const Tensor& parameter : training.model->parameters()) parameter.set_grad({});
        training.controller->end_step(at, *training.optimizer);
        for (std::size_t l = 0; l < 3; ++l) {
          const Mask left = alive[l] - training.states()[l]->alive();
          const bool drop = at % 6 == 1;
          if (start == Start::Zero || (start == Start::LastActive && !drop)) continue;
          remember(l, left, dense[l]);
        }
      } else {
        training.controller->end_step(at, *training.optimizer);
      }
    }
    EXPECT_EQ(expected.empty(), start == Start::Zero);
  }
}

TEST(Exploration, DecayAndFreezingFollowThePolicy) {
  MaskPolicy free = short_iee(2, 0, 3);
  free.freeze_alive = free.freeze_others = false;
  Training training(free, 20);
  for (std::int64_t at = 0; at < 2; ++at) training.step(at);
  const Mask alive = training.states()[0]->alive();
  const Tensor values = values_at(*training.states()[0], alive);
  const std::vector<Tensor> before = training.snapshot();
  training.step(2);
  EXPECT_FALSE(bit_equal(values_at(*training.states()[0], alive), values));
  EXPECT_FALSE(bit_equal(training.snapshot().back(), before.back()));

  // Without decay the first explored value does not depend on the optimiser's decay.
  std::vector<Tensor> explored;
  for (const double decay : {0.0, 10.0}) {
    MaskPolicy policy = short_iee(1, 0, 3);
    policy.decay_woken = false;
    Training decayed(policy, 20, 1, Rule::Sgd, 0.0);
    decayed.step(0);
    decayed.optimizer->groups()[0].weight_decay = decay;
    for (std::int64_t at = 1; at < 3; ++at) decayed.step(at);
    EXPECT_EQ(decayed.optimizer->groups()[0].weight_decay, decay);
    explored.push_back(decayed.states()[0]->to_dense());
  }
  EXPECT_TRUE(bit_equal(explored[0], explored[1]));
}

TEST(Exploration, BatchNormFollowsThePolicy) {
  for (const ExplorationNorm norm :
       {ExplorationNorm::BatchHold, ExplorationNorm::BatchUpdate, ExplorationNorm::RunningHold}) {
    nn::Sequential model{std::make_shared<nn::Conv2d>(2, 8, 3), std::make_shared<nn::BatchNorm2d>(8),
                         std::make_shared<nn::ReLU>(), std::make_shared<nn::Flatten>(),
                         std::make_shared<nn::Linear>(8 * 4 * 4, 3)};
    nn::initialize(model, 1);
    MaskPolicy policy = short_iee(2, 1, 3);
    policy.norm = norm;
    make_sparse(model, policy, 1);
    const auto optimizer = testing::make_optimizer(Rule::Sgd, model.parameters(), 0.0);
    MaskController controller(model, policy, {.total_steps = 24, .seed = 1});
    Generator generator(2);
    const Tensor images = Tensor::randn({6, 2, 6, 6}, generator);
    const Tensor labels = Tensor::of<std::int64_t>({0, 1, 2, 0, 1, 2});
    const auto running_mean = [&] { return model.named_buffers()[0].tensor.clone(); };
    const auto affine = [&] { return model.parameter("1.weight").clone().detach(); };
    for (std::int64_t at = 0; at < 24; ++at) {
      const Tensor mean = running_mean();
      const Tensor scale = affine();
      const bool exploring = controller.begin_step(at).exploring;
      optimizer->zero_grad();
      cross_entropy(model(images), labels).backward();
      const auto* layer = dynamic_cast<nn::BatchNorm2d*>(model.children()[1].second.get());
      EXPECT_EQ(layer->mode().statistics == BatchNormStatistics::Running,
                exploring && norm == ExplorationNorm::RunningHold);
      controller.end_step(at, *optimizer);
      EXPECT_EQ(bit_equal(running_mean(), mean), exploring && norm != ExplorationNorm::BatchUpdate);
      EXPECT_EQ(bit_equal(affine(), scale), exploring);
    }
    EXPECT_EQ(controller.records().size(), 3U);
    EXPECT_EQ(nn::prunable(model)[0].tensor().weight_state().alive().count(),
              controller.records()[0].layers[0].alive_before);
  }
}

}  // namespace
}  // namespace coppice::sparsity
