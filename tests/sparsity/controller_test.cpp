#include <coppice/sparsity/controller.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>

#include <coppice/core/error.h>
#include <tests/error_of.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::Rule;
using testing::short_iee;
using testing::short_rigl;
using testing::Training;
using testing::values_at;

MaskPolicy short_set(std::int64_t interval) {
  MaskPolicy policy = short_rigl(interval);
  policy.grow = criterion::random();
  return policy;
}

TEST(MakeSparse, KeepsValuesAtExactlyAsManyPositions) {
  auto model = models::mlp({30, 50, 40, 10}, 3);
  const nn::StateDict before = model->state_dict();
  make_sparse(*model, {0.1, 0.25, 1.0}, 9);
  const auto weights = nn::prunable(*model);
  EXPECT_EQ(weights[0].tensor().weight_state().alive().count(), 150);
  EXPECT_EQ(weights[1].tensor().weight_state().alive().count(), 500);
  EXPECT_FALSE(weights[2].tensor().is_masked()) << "a layer of density 1 stays dense";
  for (int l = 0; l < 2; ++l) {
    const WeightState& state = weights[static_cast<std::size_t>(l)].tensor().weight_state();
    const Tensor& dense = before.at(weights[static_cast<std::size_t>(l)].name);
    EXPECT_TRUE(
        bit_equal(state.to_dense(), WeightState::scatter(WeightState::gather(dense, state.alive()), state.alive())));
  }

  auto again = models::mlp({30, 50, 40, 10}, 3);
  make_sparse(*again, {0.1, 0.25, 1.0}, 9);
  EXPECT_TRUE(nn::prunable(*again)[0].tensor().weight_state().alive() == weights[0].tensor().weight_state().alive());
  auto other = models::mlp({30, 50, 40, 10}, 3);
  make_sparse(*other, {0.1, 0.25, 1.0}, 10);
  EXPECT_LT(
      Mask::iou(nn::prunable(*other)[0].tensor().weight_state().alive(), weights[0].tensor().weight_state().alive()),
      0.3);
  EXPECT_THROW(make_sparse(*model, {0.1, 0.1, 0.1}, 9), Error) << "Masked already";
}

/// Positions of the `count` smallest (or largest) scores among `candidates`, by a plain sort.
std::set<std::int64_t> by_sort(const std::vector<float>& scores, const std::vector<std::int64_t>& candidates,
                               std::int64_t count, bool largest) {
  std::vector<std::int64_t> order = candidates;
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    const float x = std::abs(scores[static_cast<std::size_t>(a)]);
    const float y = std::abs(scores[static_cast<std::size_t>(b)]);
    return largest ? x > y : x < y;
  });
  return {order.begin(), order.begin() + count};
}

TEST(MaskController, RigLUpdatesAsPublished) {
  Training training(short_rigl(4), 100);
  for (std::int64_t at = 0; at < 4; ++at) EXPECT_TRUE(training.step(at).optimizer_step);

  EXPECT_FALSE(training.controller->begin_step(4).optimizer_step);
  training.backward();
  std::vector<std::vector<float>> values, gradients, momenta;
  std::vector<Mask> before;
  for (const nn::PrunableWeight& weight : training.weights()) {
    ASSERT_TRUE(weight.tensor().is_masked());
    WeightState& state = weight.tensor().weight_state();
    ASSERT_EQ(weight.tensor().grad().shape(), state.shape()) << "a dense gradient on an update iteration";
    values.push_back(state.to_dense().to_vector<float>());
    gradients.push_back(weight.tensor().grad().to_vector<float>());
    momenta.push_back(WeightState::scatter(state.state("momentum_buffer"), state.stateful()).to_vector<float>());
    before.push_back(state.alive());
  }
  const std::vector<Tensor> dense_before = training.snapshot();
  training.controller->end_step(4, *training.optimizer);

  const double fraction = 0.15 * (1 + std::cos(M_PI * 4 / 75));
  std::size_t l = 0;
  for (WeightState* state : training.states()) {
    std::vector<std::int64_t> alive, dead;
    for (std::int64_t p = 0; p < state->shape().numel(); ++p) (before[l].test(p) ? alive : dead).push_back(p);
    const auto count = static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(alive.size())));
    ASSERT_GT(count, 0);
    const std::set<std::int64_t> dropped = by_sort(values[l], alive, count, false);
    dead.insert(dead.end(), dropped.begin(), dropped.end());
    std::sort(dead.begin(), dead.end());
    const std::set<std::int64_t> grown = by_sort(gradients[l], dead, count, true);
    const std::vector<float> now = state->to_dense().to_vector<float>();
    const std::vector<float> momentum =
        WeightState::scatter(state->state("momentum_buffer"), state->stateful()).to_vector<float>();
    for (std::int64_t p = 0; p < state->shape().numel(); ++p) {
      const auto i = static_cast<std::size_t>(p);
      const bool kept = before[l].test(p) && (dropped.count(p) == 0 || grown.count(p) == 1);
      EXPECT_EQ(state->alive().test(p), kept || grown.count(p) == 1);
      EXPECT_EQ(now[i], kept ? values[l][i] : 0.0F);
      EXPECT_EQ(momentum[i], kept ? momenta[l][i] : 0.0F);
    }
    EXPECT_EQ(state->gradient_kind(), GradientKind::Trainable);
    ++l;
  }
  for (const Tensor& parameter : training.model->parameters()) {
    EXPECT_FALSE(parameter.is_masked() && parameter.grad().defined());
  }
  // Nothing was optimised: the biases are what they were.
  const std::vector<Tensor> dense_after = training.snapshot();
  for (std::size_t p = 0; p < dense_after.size(); ++p) {
    if (dense_after[p].dim() != 1) continue;
    EXPECT_TRUE(bit_equal(dense_after[p], dense_before[p]));
  }
}

TEST(MaskController, TheSecondRigLStepsAndUpdates) {
  MaskPolicy policy = rigl_itop();
  policy.density = 0.2;
  policy.interval = 4;
  Training training(policy, 100);
  for (std::int64_t at = 0; at < 3; ++at) training.step(at);
  const std::vector<Tensor> before = training.snapshot();
  EXPECT_TRUE(training.step(3).optimizer_step);
  ASSERT_EQ(training.controller->records().size(), 1U);
  EXPECT_FALSE(bit_equal(training.snapshot().back(), before.back())) << "biases moved";
}

TEST(MaskController, CountsAreExactAfterEveryUpdate) {
  MaskPolicy kept_out = short_iee(3, 2, 3);
  kept_out.regrow_just_dropped = false;
  MaskPolicy stale = iee_no_exploration();
  stale.density = 0.2;
  stale.interval = 3;
  stale.accuracy_steps = 2;
  MaskPolicy ceil = short_set(5);
  ceil.rounding = Rounding::Ceil;
  ceil.tie_break = TieBreak::Random;
  MaskPolicy dense_layers = short_iee(3, 0, 2);
  dense_layers.dense_last = true;
  for (const MaskPolicy& policy :
       {short_rigl(5), short_set(5), short_iee(3, 2, 3), kept_out, stale, ceil, dense_layers}) {
    SCOPED_TRACE(policy.name);
    Training training(policy, 60);
    std::vector<std::int64_t> counts;
    for (WeightState* state : training.states()) counts.push_back(state->alive().count());
    const double density = training.controller->density();
    std::size_t updates = 0;
    for (std::int64_t at = 0; at < 60; ++at) {
      training.step(at);
      if (training.controller->records().size() == updates) continue;
      const UpdateRecord& record = training.controller->records()[updates++];
      EXPECT_EQ(record.step, at);
      EXPECT_EQ(record.update + 1, static_cast<std::int64_t>(updates));
      for (std::size_t l = 0; l < counts.size(); ++l) {
        const LayerUpdate& layer = record.layers[l];
        EXPECT_EQ(training.states()[l]->alive().count(), counts[l]);
        EXPECT_EQ(layer.alive_before, counts[l]);
        EXPECT_EQ(layer.alive_after, counts[l]);
        EXPECT_EQ(layer.dropped, layer.grown);
        EXPECT_NEAR(layer.iou_after_prune, 1.0 - static_cast<double>(layer.dropped) / static_cast<double>(counts[l]),
                    1e-12);
        const auto changed = static_cast<double>(layer.grown - layer.regrown);
        EXPECT_NEAR(layer.iou_after_grow,
                    (static_cast<double>(counts[l]) - changed) / (static_cast<double>(counts[l]) + changed), 1e-12);
        EXPECT_TRUE(policy.regrow_just_dropped || layer.regrown == 0);
      }
      EXPECT_EQ(training.controller->density(), density);
    }
    EXPECT_GE(updates, 5U);
  }
}

TEST(MaskController, GlobalRankingKeepsTheSum) {
  MaskPolicy policy = short_rigl(5);
  policy.ranking = Ranking::Global;
  policy.distribution = Distribution::Uniform;
  Training training(policy, 60);
  const auto counts = [&] {
    std::vector<std::int64_t> result;
    for (WeightState* state : training.states()) result.push_back(state->alive().count());
    return result;
  };
  const std::vector<std::int64_t> before = counts();
  training.run();
  const std::vector<std::int64_t> after = counts();
  EXPECT_EQ(std::accumulate(after.begin(), after.end(), std::int64_t{0}),
            std::accumulate(before.begin(), before.end(), std::int64_t{0}));
  EXPECT_NE(after, before);
}

TEST(MaskController, OneCriterionDropsAndGrows) {
  auto calls = std::make_shared<std::vector<std::string>>();
  Criterion negative{.name = "negative", .score = [calls](const ScoreInput& input) {
                       calls->push_back(input.name + ":" + std::to_string(input.candidates.count()));
                       const Tensor scores =
                           WeightState::remap(input.state.values(), input.state.stored(), input.candidates);
                       return scores.clone().mul_(-1.0);
                     }};
  MaskPolicy policy = short_iee(3, 2, 4);
  policy.drop = policy.grow = negative;
  Training training(policy, 60);
  for (std::int64_t at = 0; at < 2; ++at) training.step(at);
  training.step(2);
  std::vector<std::string> names;
  for (const nn::PrunableWeight& weight : training.weights()) names.push_back(weight.name);
  ASSERT_EQ(calls->size(), 3U);
  for (std::int64_t at = 3; at < 8; ++at) training.step(at);
  ASSERT_EQ(calls->size(), 3U) << "only drops and growths ask";
  training.step(8);
  ASSERT_EQ(calls->size(), 6U);
  for (std::size_t l = 0; l < 3; ++l) {
    const LayerUpdate& layer = training.controller->records()[0].layers[l];
    EXPECT_EQ((*calls)[l], names[l] + ":" + std::to_string(layer.alive_before));
    EXPECT_EQ((*calls)[l + 3], names[l] + ":" + std::to_string(layer.numel - layer.alive_before + layer.dropped));
  }
}

TEST(MaskController, DeadWeightsStayDead) {
  for (const Rule rule : {Rule::Sgd, Rule::Nesterov, Rule::AdamW}) {
    for (const MaskPolicy& policy : {short_rigl(7), short_set(7), short_iee(5, 3, 4)}) {
      SCOPED_TRACE(policy.name);
      Training training(policy, 300, 2, rule, 1e-2);
      for (std::int64_t at = 0; at < 300; ++at) {
        if (training.step(at).exploring && training.controller->decide(at + 1).exploring) continue;
        for (WeightState* state : training.states()) {
          ASSERT_TRUE(Mask::from_nonzero(state->to_dense()).is_subset_of(state->alive()));
          ASSERT_TRUE(state->trainable() == state->alive());
          ASSERT_TRUE(state->stateful() == state->alive());
          const Mask dead = state->stored() - state->alive();
          ASSERT_EQ(Mask::from_nonzero(values_at(*state, dead)).count(), 0) << "not even in storage";
        }
      }
    }
  }
}

TEST(MaskController, RecordsUnionAndSurvival) {
  Training training(short_set(4), 100, 1);
  std::vector<Mask> ever;
  for (WeightState* state : training.states()) ever.push_back(state->alive());
  std::vector<std::vector<Mask>> newborn;  // by update, layer
  for (std::int64_t at = 0; at < 100; ++at) {
    std::vector<Mask> before;
    for (WeightState* state : training.states()) before.push_back(state->alive());
    const std::size_t updates = training.controller->records().size();
    training.step(at);
    if (training.controller->records().size() == updates) continue;
    newborn.emplace_back();
    for (std::size_t l = 0; l < before.size(); ++l) {
      newborn.back().push_back(training.states()[l]->alive() - before[l]);
      ever[l] = ever[l] | training.states()[l]->alive();
      EXPECT_DOUBLE_EQ(training.controller->records().back().layers[l].ever_alive, ever[l].density());
    }
    EXPECT_GE(training.controller->records().back().ever_alive, 0.2 - 1e-2);
  }
  EXPECT_EQ(training.controller->survival(0), 1.0);
  EXPECT_LE(training.controller->survival(1), 1.0);
  EXPECT_EQ(training.controller->survival(1000), 0.0);
  // Exploration ended long ago, so the mask is what the last update left: survivors of the first cohort by hand.
  const auto last = static_cast<std::int64_t>(newborn.size()) - 1;
  std::int64_t born = 0, alive = 0;
  for (std::size_t l = 0; l < newborn[0].size(); ++l) {
    born += newborn[0][l].count();
    Mask lives = newborn[0][l];
    lives = lives & training.states()[l]->alive();
    alive += lives.count();
  }
  const double by_hand = static_cast<double>(alive) / static_cast<double>(born);
  EXPECT_LE(training.controller->survival(last), by_hand) << "who died and was grown again does not count";
  EXPECT_GT(training.controller->survival(last), 0.0);
}

TEST(MaskController, RefusesStepsOutOfOrderAndNamesNaNs) {
  Training training(short_rigl(2), 100);
  training.controller->begin_step(0);
  EXPECT_THROW(training.controller->begin_step(1), Error);
  EXPECT_THROW(training.controller->end_step(1, *training.optimizer), Error);
  training.backward();
  training.controller->end_step(0, *training.optimizer);
  EXPECT_THROW(training.controller->end_step(0, *training.optimizer), Error);
  training.step(1);
  training.controller->begin_step(2);
  training.backward();
  training.weights()[1].tensor().grad().fill_(NAN);
  const std::string text = error_of([&] { training.controller->end_step(2, *training.optimizer); });
  EXPECT_NE(text.find(training.weights()[1].name), std::string::npos) << text;
}

TEST(MaskController, DensePoliciesPassThrough) {
  Training training(dense(), 5);
  training.run();
  EXPECT_TRUE(training.controller->records().empty());
  EXPECT_EQ(training.controller->density(), 1.0);
  EXPECT_TRUE(training.states().empty());
}

}  // namespace
}  // namespace coppice::sparsity
