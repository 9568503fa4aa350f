// Masks of a pattern: how they are drawn and projected, and that policies keep them.

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/ops/linear_candidates.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/projection.h>
#include <tests/error_of.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::Rule;
using testing::short_iee;
using testing::short_rigl;
using testing::state_at;
using testing::Training;
using testing::values_at;

using Positions = std::set<std::int64_t>;

Positions positions_of(const Mask& mask) {
  Positions result;
  mask.for_each([&](std::int64_t position, std::int64_t) { result.insert(position); });
  return result;
}

/// Places of the `count` largest, of equals the first.
Positions largest(const std::vector<double>& scores, const Positions& among, std::int64_t count) {
  std::vector<std::int64_t> order(among.begin(), among.end());
  std::stable_sort(order.begin(), order.end(), [&](std::int64_t a, std::int64_t b) {
    return scores[static_cast<std::size_t>(a)] > scores[static_cast<std::size_t>(b)];
  });
  return {order.begin(), order.begin() + count};
}

std::vector<double> negated(std::vector<double> scores) {
  for (double& score : scores) score = -score;
  return scores;
}

/// Which block of r × c a position of (rows, columns) belongs to.
std::int64_t block_of(std::int64_t position, const Shape& shape, std::int64_t r, std::int64_t c) {
  const std::int64_t across = (shape[1] + c - 1) / c;
  return position / shape[1] / r * across + position % shape[1] / c;
}

std::vector<double> block_sums(const std::vector<double>& scores, const Shape& shape, std::int64_t r, std::int64_t c) {
  std::vector<double> sums(static_cast<std::size_t>((shape[0] + r - 1) / r * ((shape[1] + c - 1) / c)));
  for (std::int64_t p = 0; p < shape.numel(); ++p) {
    sums[static_cast<std::size_t>(block_of(p, shape, r, c))] += std::abs(scores[static_cast<std::size_t>(p)]);
  }
  return sums;
}

Positions blocks_of(const Mask& mask, std::int64_t r, std::int64_t c) {
  Positions blocks;
  mask.for_each([&](std::int64_t p, std::int64_t) { blocks.insert(block_of(p, mask.shape(), r, c)); });
  return blocks;
}

TEST(Project, KeepsTheLargestOfEveryGroup) {
  const Tensor weight = Tensor::of<float>({1, -4, 2, 3, 5, 5, -5, 5, 0, 0, 0, 0}, Shape{1, 12});
  const Mask two = project(weight, Pattern::nm(2, 4));
  EXPECT_EQ(positions_of(two), (Positions{1, 3, 4, 5, 8, 9})) << "ties go to the first";
  EXPECT_EQ(two.pattern(), Pattern::nm(2, 4));
  EXPECT_EQ(positions_of(project(weight, Pattern::nm(1, 4))), (Positions{1, 4, 8}));
  // Of a third of the weights four live, the largest that have room.
  EXPECT_EQ(positions_of(project(weight, Pattern::nm(2, 4), 4.0 / 12)), (Positions{1, 3, 4, 5}));
  EXPECT_EQ(positions_of(project(weight, Pattern::nm(4, 4), 4.0 / 12)), (Positions{4, 5, 6, 7}));
  EXPECT_EQ(project(weight.to(kFloat64), Pattern::nm(2, 4)), two);
}

TEST(Project, AgreesWithAPlainSortOfGroupsOfFilters) {
  Generator generator(1);
  const Tensor weight = Tensor::randint(-6, 7, {5, 8, 3, 3}, generator).to(kFloat32);  // many ties
  const std::vector<double> values = weight.to_vector<double>();
  for (const auto& [n, m] : {std::pair{1, 4}, std::pair{2, 4}, std::pair{2, 8}, std::pair{3, 6}, std::pair{2, 72}}) {
    Positions expected;
    for (std::int64_t group = 0; group < weight.numel() / m; ++group) {
      Positions members;
      std::vector<double> magnitudes;
      for (const double value : values) magnitudes.push_back(std::abs(value));
      for (std::int64_t i = 0; i < m; ++i) members.insert(group * m + i);
      expected.merge(largest(magnitudes, members, n));
    }
    EXPECT_EQ(positions_of(project(weight, Pattern::nm(n, m))), expected) << n << ':' << m;
  }
  EXPECT_NE(error_of([&] { project(weight, Pattern::nm(2, 5)); }).find("2:5"), std::string::npos);
  EXPECT_NE(error_of([&] { project(weight, Pattern::channels()); }).find("channels"), std::string::npos);
}

TEST(Project, KeepsTheBlocksOfTheLargestSums) {
  Generator generator(2);
  const Shape shape{11, 13};  // no multiple of a block
  const Tensor weight = Tensor::randint(-6, 7, shape, generator).to(kFloat32);
  for (const auto& [r, c] : {std::pair{4, 1}, std::pair{8, 1}, std::pair{8, 8}, std::pair{1, 4}, std::pair{20, 20}}) {
    const std::vector<double> sums = block_sums(weight.to_vector<double>(), shape, r, c);
    Positions all;
    for (std::size_t b = 0; b < sums.size(); ++b) all.insert(static_cast<std::int64_t>(b));
    for (const double density : {0.0, 0.3, 1.0}) {
      const Mask mask = project(weight, Pattern::block(r, c), density);
      EXPECT_EQ(mask.pattern(), Pattern::block(r, c));
      EXPECT_EQ(blocks_of(mask, r, c), largest(sums, all, alive_count(std::ssize(sums), density)));
    }
  }
  const Tensor vector = Tensor::of<float>({1, 3, 2});
  EXPECT_EQ(positions_of(project(vector, Pattern(), 0.5)), (Positions{1, 2}));
  EXPECT_EQ(project(Tensor::zeros({0, 4}), Pattern::block(2, 2), 0.5).count(), 0);
}

TEST(RandomMask, HasExactlyAsManyUnits) {
  Generator generator(3);
  const Shape shape{19, 24};
  for (const double density : {0.0, 0.1, 0.5, 1.0}) {
    const Mask blocks = random_mask(shape, Pattern::block(8, 5), density, generator);
    EXPECT_EQ(std::ssize(blocks_of(blocks, 8, 5)), alive_count(15, density));
    EXPECT_EQ(random_mask(shape, Pattern(), density, generator).count(), alive_count(19 * 24, density));
    if (density > 0.5) continue;
    const Mask two = random_mask(shape, Pattern::nm(2, 4), density, generator);
    EXPECT_EQ(two.count(), alive_count(19 * 24, density));
    EXPECT_EQ(two.pattern(), Pattern::nm(2, 4));
  }
  EXPECT_FALSE(random_mask(shape, Pattern::nm(2, 4), 0.5, generator) ==
               random_mask(shape, Pattern::nm(2, 4), 0.5, generator));
  EXPECT_NE(error_of([&] { random_mask(shape, Pattern::nm(1, 4), 0.3, generator); }).find("has room"),
            std::string::npos);
}

TEST(MakeSparse, SaysWhichLayerAPatternDoesNotFit) {
  auto model = models::mlp({6, 8, 4}, 1);
  MaskPolicy policy = static_mask();
  policy.pattern = Pattern::nm(2, 4);
  policy.density = 0.5;
  policy.distribution = Distribution::Uniform;
  const std::string text = error_of([&] { make_sparse(*model, policy, 1); });
  EXPECT_NE(text.find(nn::prunable(*model).front().name), std::string::npos) << text;
  policy.dense_first = true;
  make_sparse(*model, policy, 1);
  EXPECT_EQ(nn::prunable(*model).back().tensor().weight_state().alive().count(), 16);
}

MaskPolicy with(MaskPolicy policy, Pattern pattern) {
  policy.pattern = pattern;
  if (pattern.kind == Pattern::Kind::Nm) {
    policy.density = static_cast<double>(pattern.first) / pattern.second;
    policy.distribution = Distribution::Uniform;
  }
  return policy;
}

const std::vector<std::int64_t> kWidths{24, 40, 32, 6};

TEST(Patterns, RigLExchangesBlocks) {
  const int r = 8;
  for (const int c : {1, 8}) {
    Training training(with(short_rigl(4), Pattern::block(r, c)), 100, 1, Rule::Sgd, 5e-4, {24, 40, 36, 16});
    for (std::int64_t at = 0; at < 4; ++at) training.step(at);
    training.controller->begin_step(4);
    training.backward();
    std::vector<Positions> expected, dropped_blocks, grown_blocks;
    std::vector<std::vector<float>> values, momenta;
    const double fraction = 0.15 * (1 + std::cos(M_PI * 4 / 75));
    for (const nn::PrunableWeight& weight : training.weights()) {
      WeightState& state = weight.tensor().weight_state();
      values.push_back(state.to_dense().to_vector<float>());
      momenta.push_back(WeightState::scatter(state.state("momentum_buffer"), state.stateful()).to_vector<float>());
      const Positions alive = blocks_of(state.alive(), r, c);
      const std::vector<double> magnitudes = block_sums(state.to_dense().to_vector<double>(), state.shape(), r, c);
      const std::vector<double> gradients = block_sums(weight.tensor().grad().to_vector<double>(), state.shape(), r, c);
      const auto count = static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(alive.size())));
      const Positions dropped = largest(negated(magnitudes), alive, count);
      Positions dead;
      for (std::size_t b = 0; b < magnitudes.size(); ++b) {
        const auto block = static_cast<std::int64_t>(b);
        if (!alive.contains(block) || dropped.contains(block)) dead.insert(block);
      }
      const Positions grown = largest(gradients, dead, count);
      Positions after = alive;
      for (const std::int64_t block : dropped) after.erase(block);
      after.insert(grown.begin(), grown.end());
      expected.push_back(after);
      dropped_blocks.push_back(dropped);
      grown_blocks.push_back(grown);
    }
    training.controller->end_step(4, *training.optimizer);
    bool any = false;
    std::size_t l = 0;
    for (WeightState* state : training.states()) {
      EXPECT_EQ(blocks_of(state->alive(), r, c), expected[l]);
      any = any || !grown_blocks[l].empty();
      const std::vector<float> now = state->to_dense().to_vector<float>();
      const std::vector<float> momentum =
          WeightState::scatter(state->state("momentum_buffer"), state->stateful()).to_vector<float>();
      for (std::int64_t p = 0; p < state->shape().numel(); ++p) {
        const auto i = static_cast<std::size_t>(p);
        const std::int64_t block = block_of(p, state->shape(), r, c);
        const bool kept =
            values[l][i] != 0.0F && (!dropped_blocks[l].contains(block) || grown_blocks[l].contains(block));
        EXPECT_EQ(now[i], kept ? values[l][i] : 0.0F);
        EXPECT_EQ(momentum[i], kept ? momenta[l][i] : 0.0F);
      }
      ++l;
    }
    EXPECT_TRUE(any);
  }
}

TEST(Patterns, RigLGrowsWithinGroupsOfNm) {
  Training training(with(short_rigl(4), Pattern::nm(2, 4)), 100, 1, Rule::Sgd, 5e-4, kWidths);
  for (std::int64_t at = 0; at < 4; ++at) training.step(at);
  training.controller->begin_step(4);
  training.backward();
  const double fraction = 0.15 * (1 + std::cos(M_PI * 4 / 75));
  std::vector<Positions> expected;
  for (const nn::PrunableWeight& weight : training.weights()) {
    const WeightState& state = weight.tensor().weight_state();
    std::vector<double> magnitudes = state.to_dense().to_vector<double>();
    std::vector<double> gradients = weight.tensor().grad().to_vector<double>();
    for (double& value : magnitudes) value = std::abs(value);
    for (double& value : gradients) value = std::abs(value);
    Positions alive = positions_of(state.alive());
    const auto count = static_cast<std::int64_t>(std::floor(fraction * static_cast<double>(alive.size())));
    ASSERT_GT(count, 0);
    for (const std::int64_t p : largest(negated(magnitudes), alive, count)) alive.erase(p);
    // Every group was full, so each fills up with its best.
    for (std::int64_t group = 0; group < state.shape().numel() / 4; ++group) {
      Positions dead;
      for (std::int64_t p = 4 * group; p < 4 * group + 4; ++p) {
        if (!alive.contains(p)) dead.insert(p);
      }
      alive.merge(largest(gradients, dead, std::ssize(dead) - 2));
    }
    expected.push_back(alive);
  }
  training.controller->end_step(4, *training.optimizer);
  std::size_t l = 0;
  for (WeightState* state : training.states()) {
    EXPECT_EQ(positions_of(state->alive()), expected[l++]);
    EXPECT_EQ(state->alive().pattern(), Pattern::nm(2, 4));
  }
}

bool can_run(FlopPhase phase, const WeightState& state, const std::string& name) {
  return std::ranges::any_of(linear_candidates(phase), [&](const LinearCandidate& candidate) {
    return candidate.name == name && candidate.can_run(state);
  });
}

/// Policies whose updates differ in what they drop, grow, wake and freeze.
std::vector<MaskPolicy> policies() {
  MaskPolicy set_policy = short_rigl(5);
  set_policy.name = "set";
  set_policy.grow = criterion::random();
  set_policy.tie_break = TieBreak::Random;
  MaskPolicy kept_out = short_iee(3, 2, 3);
  kept_out.name = "iee, dropped stay out";
  kept_out.regrow_just_dropped = false;
  MaskPolicy thawed = short_iee(2, 1, 3);
  thawed.name = "iee, nothing frozen";
  thawed.freeze_alive = thawed.freeze_others = false;
  thawed.start = Start::LastActive;
  MaskPolicy initial = short_iee(3, 0, 2);
  initial.name = "iee, from initial values";
  initial.start = Start::Initial;
  MaskPolicy stale = iee_no_exploration();
  stale.density = 0.2;
  stale.interval = 3;
  stale.accuracy_steps = 2;
  MaskPolicy global = short_rigl(4);
  global.name = "rigl, global";
  global.ranking = Ranking::Global;
  return {short_rigl(5), set_policy, short_iee(3, 2, 3), kept_out, thawed, initial, stale, global};
}

TEST(Patterns, EveryPolicyKeepsThemWithExactCounts) {
  for (const Pattern pattern : {Pattern::block(8, 1), Pattern::block(4, 1), Pattern::block(8, 8),
                                Pattern::shared_columns(4), Pattern::nm(2, 4), Pattern::nm(1, 8)}) {
    for (const MaskPolicy& policy : policies()) {
      for (const Rule rule : {Rule::Sgd, Rule::AdamW}) {
        SCOPED_TRACE(::testing::Message() << policy.name << ", " << pattern);
        const std::int64_t r = pattern.block_rows(), c = pattern.block_columns();
        Training training(with(policy, pattern), 40, 2, rule, 1e-2, {64, 80, 72, 16});
        const auto counts = [&] {
          std::vector<std::int64_t> result;
          for (WeightState* state : training.states()) result.push_back(std::ssize(blocks_of(state->alive(), r, c)));
          return result;
        };
        const std::vector<std::int64_t> before = counts();
        for (std::int64_t at = 0; at < 40; ++at) {
          if (training.step(at).exploring && training.controller->decide(at + 1).exploring) {
            for (WeightState* state : training.states()) ASSERT_EQ(state->pattern(), pattern);
            continue;
          }
          for (WeightState* state : training.states()) {
            for (const Mask& mask : {state->alive(), state->trainable(), state->stateful()}) {
              ASSERT_EQ(mask.pattern(), pattern) << "after step " << at;
              ASSERT_NO_THROW(Mask::from_tensor(mask.to_tensor()).with_pattern(pattern));
            }
            ASSERT_TRUE(Mask::from_nonzero(state->to_dense()).is_subset_of(state->alive()));
            const bool groups = pattern.has_blocks() && state->alive().count() > 0;
            const bool packed = groups && state->alive().density() <= WeightState::kDenseStorage;
            ASSERT_EQ(can_run(FlopPhase::Forward, *state, "csr/groups"), packed);
            ASSERT_EQ(can_run(FlopPhase::DataGradient, *state, "csr/groups"), packed);
            ASSERT_EQ(can_run(FlopPhase::WeightGradient, *state, "sampled/groups"), groups);
          }
        }
        ASSERT_GE(training.controller->records().size(), 3U);
        std::int64_t dropped = 0, exchanged = 0;
        for (const UpdateRecord& record : training.controller->records()) {
          for (const LayerUpdate& layer : record.layers) {
            dropped += layer.dropped;
            exchanged += layer.grown - layer.regrown;
            EXPECT_TRUE(policy.regrow_just_dropped || layer.regrown == 0);
          }
        }
        EXPECT_GT(dropped, 0);
        // Magnitudes may choose what was just dropped again.
        if (policy.grow.name != "magnitude" || !policy.regrow_just_dropped) {
          EXPECT_GT(exchanged, 0);
        }
        const std::vector<std::int64_t> after = counts();
        EXPECT_EQ(std::accumulate(after.begin(), after.end(), std::int64_t{0}),
                  std::accumulate(before.begin(), before.end(), std::int64_t{0}));
        if (policy.ranking == Ranking::Layer) {
          EXPECT_EQ(after, before);
        }
      }
    }
  }
}

TEST(Patterns, ExplorationOfBlocksLeavesTheFrozenAlone) {
  for (const Pattern pattern : {Pattern::block(8, 1), Pattern::block(8, 8), Pattern::nm(2, 4)}) {
    Training training(with(short_iee(3, 2, 4), pattern), 60, 1, Rule::Sgd, 5e-4, kWidths);
    for (std::int64_t at = 0; at < 5; ++at) training.step(at);
    std::vector<Mask> frozen;
    std::vector<Tensor> values, momenta;
    for (WeightState* state : training.states()) {
      frozen.push_back(state->alive());
      values.push_back(values_at(*state, state->alive()));
      momenta.push_back(state_at(*state, "momentum_buffer", state->alive()));
    }
    for (std::int64_t at = 5; at < 9; ++at) {
      const bool last = at == 8;
      EXPECT_TRUE(training.step(at).exploring);
      std::size_t l = 0;
      for (WeightState* state : training.states()) {
        EXPECT_TRUE(bit_equal(values_at(*state, frozen[l]), values[l]));
        EXPECT_TRUE(bit_equal(state_at(*state, "momentum_buffer", frozen[l]), momenta[l]));
        if (last) {
          const Mask grown = state->alive() - frozen[l];
          EXPECT_EQ(grown.count(), training.controller->records()[0].layers[l].grown);
          EXPECT_EQ(Mask::from_nonzero(state_at(*state, "momentum_buffer", grown)).count(), 0) << "newborn";
          if (pattern.has_blocks()) {
            EXPECT_EQ(grown.pattern(), pattern);
          }
        } else {
          EXPECT_TRUE(state->trainable() == ~frozen[l]);
          if (pattern.has_blocks()) {
            EXPECT_EQ(state->trainable().pattern(), pattern);
          }
        }
        ++l;
      }
    }
  }
}

TEST(Patterns, MixedBlocksAreNotRankedGloballyNorChannelsUpdated) {
  const auto model = models::mlp({16, 16, 16}, 1);
  make_sparse(*model, {0.5, 0.5}, 1, Dormant::Drop, Pattern::block(4, 1));
  WeightState& state = nn::prunable(*model).front().tensor().weight_state();
  state.set_pattern({});
  MaskPolicy policy = short_rigl(1);
  policy.ranking = Ranking::Global;
  policy.drop = policy.grow = criterion::magnitude();
  policy.skip_step_on_update = false;
  {
    MaskController controller(*model, policy, {.total_steps = 10});
    optim::SGD optimizer(model->parameters(), {.lr = 0.1});
    controller.begin_step(0);
    EXPECT_NE(error_of([&] { controller.end_step(0, optimizer); }).find("same blocks"), std::string::npos);
  }
  state.prune(state.alive());
  state.set_pattern(Pattern::channels());
  EXPECT_NE(error_of([&] { MaskController(*model, policy, {.total_steps = 10}); }).find("channels"), std::string::npos);
  MaskController(*model, static_mask(), {.total_steps = 10});
}

}  // namespace
}  // namespace coppice::sparsity
