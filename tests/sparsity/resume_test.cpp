// A training that is broken off after any step and continued by new objects ends as the unbroken one.

#include <coppice/sparsity/controller.h>

#include <gtest/gtest.h>

#include <cstring>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include <tests/error_of.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::Rule;
using testing::short_iee;
using testing::short_rigl;
using testing::Training;

using State = std::map<std::string, Tensor>;

bool same_bits(const Tensor& a, const Tensor& b) {
  if (a.shape() != b.shape() || a.dtype() != b.dtype()) return false;
  return a.nbytes() == 0 || std::memcmp(a.raw_data(), b.raw_data(), static_cast<std::size_t>(a.nbytes())) == 0;
}

void expect_same(const State& a, const State& b, const std::string& what) {
  ASSERT_EQ(a.size(), b.size()) << what;
  for (auto left = a.begin(), right = b.begin(); left != a.end(); ++left, ++right) {
    EXPECT_EQ(left->first, right->first) << what;
    EXPECT_TRUE(same_bits(left->second, right->second)) << what << ": " << left->first;
  }
}

/// Everything there is of a training, by name.
State everything(Training& training) {
  State all;
  const auto add = [&](const std::string& prefix, const State& state) {
    for (const auto& [name, tensor] : state) all[prefix + name] = tensor;
  };
  add("controller/", training.controller->state_dict());
  add("optimizer/", training.optimizer->state_dict());
  for (const nn::NamedTensor& parameter : training.model->named_parameters()) {
    all["dense/" + parameter.name] = parameter.tensor.to_dense();
    all["requires_grad/" + parameter.name] = Tensor::full({}, parameter.tensor.requires_grad() ? 1.0 : 0.0);
    if (!parameter.tensor.is_masked()) continue;
    const WeightState& state = parameter.tensor.weight_state();
    const WeightSets sets = state.sets();
    const std::string prefix = "masked/" + parameter.name + '.';
    for (const auto& [name, mask] : std::map<std::string, Mask>{{"alive", sets.alive},
                                                                {"trainable", sets.trainable},
                                                                {"stateful", sets.stateful},
                                                                {"awake", sets.awake},
                                                                {"dormant", sets.dormant}}) {
      all[prefix + name] = mask.to_tensor();
      all[prefix + name + "/rows"] = Tensor::full({}, static_cast<double>(mask.pattern().block_rows()));
    }
    all[prefix + "values"] = state.values();
    all[prefix + "dormant_values"] = state.dormant_values();
    add(prefix, state.states());
  }
  return all;
}

/// Copies of what a checkpoint holds, into a fresh training.
void transfer(const Training& from, Training& to) {
  const std::vector<nn::NamedTensor> targets = to.model->named_parameters();
  const std::vector<nn::NamedTensor> sources = from.model->named_parameters();
  for (std::size_t p = 0; p < targets.size(); ++p) {
    const Tensor& source = sources[p].tensor;
    const Tensor& target = targets[p].tensor;
    if (!source.is_masked()) {
      std::memcpy(target.raw_data(), source.raw_data(), static_cast<std::size_t>(source.nbytes()));
      continue;
    }
    const WeightState& state = source.weight_state();
    target.weight_state().restore(state.sets(), WeightState::remap(state.values(), state.stored(), state.alive()),
                                  state.dormant_values());
  }
  to.optimizer->load_state_dict(from.optimizer->state_dict());
  to.controller->load_state_dict(from.controller->state_dict());
}

struct Case {
  std::string name;
  MaskPolicy policy;
  Rule rule = Rule::Sgd;
};

std::vector<Case> cases() {
  MaskPolicy set_policy = set();
  set_policy.density = 0.2;
  set_policy.interval = 5;
  set_policy.tie_break = TieBreak::Random;
  MaskPolicy no_skip = short_rigl(5);
  no_skip.skip_step_on_update = false;
  MaskPolicy dense_last = short_iee(3, 2, 4);
  dense_last.dense_last = true;  // frozen while exploring
  MaskPolicy kept = short_iee(3, 2, 4);
  kept.start = Start::Dormant;
  MaskPolicy thawed = short_iee(2, 1, 3);
  thawed.freeze_alive = thawed.freeze_others = false;
  thawed.start = Start::LastActive;
  thawed.ranking = Ranking::Global;
  MaskPolicy blocks = short_iee(3, 2, 4);
  blocks.pattern = Pattern::block(4, 1);
  MaskPolicy pairs = short_iee(3, 2, 4);
  pairs.pattern = Pattern::nm(2, 4);
  pairs.distribution = Distribution::Uniform;
  return {{"set", set_policy},
          {"iee, blocks", blocks},
          {"iee, 2:4", pairs, Rule::AdamW},
          {"rigl", short_rigl(5)},
          {"rigl without skipping", no_skip, Rule::AdamW},
          {"iee", short_iee(3, 2, 4)},
          {"iee, adamw", short_iee(3, 2, 4), Rule::AdamW},
          {"iee, dense last layer", dense_last, Rule::Nesterov},
          {"iee, dormant start", kept},
          {"iee, nothing frozen", thawed},
          {"static", static_mask()}};
}

TEST(Resume, AfterAnyStepEndsAsTheUnbrokenTraining) {
  constexpr std::int64_t kSteps = 30;
  for (const Case& c : cases()) {
    Training unbroken(c.policy, kSteps, 1, c.rule);
    unbroken.run();
    const State expected = everything(unbroken);
    int explored = 0;
    Training broken(c.policy, kSteps, 1, c.rule);
    for (std::int64_t at = 0; at < kSteps; ++at) {
      explored += broken.step(at).exploring ? 1 : 0;
      Training resumed(c.policy, kSteps, 1, c.rule);
      transfer(broken, resumed);
      expect_same(everything(resumed), everything(broken), c.name + " after step " + std::to_string(at));
      for (std::int64_t rest = at + 1; rest < kSteps; ++rest) resumed.step(rest);
      expect_same(everything(resumed), expected, c.name + " resumed after step " + std::to_string(at));
      for (std::int64_t lag = 0; lag < 3; ++lag) {
        EXPECT_EQ(resumed.controller->survival(lag), unbroken.controller->survival(lag));
      }
      if (HasFatalFailure() || HasNonfatalFailure()) return;
    }
    EXPECT_EQ(explored > 0, c.policy.exploration_steps > 0) << c.name;
    EXPECT_EQ(unbroken.controller->records().empty(), !c.policy.updates()) << c.name;
  }
}

TEST(Resume, RecordsComeBackWhole) {
  Training training(short_iee(3, 2, 4), 30);
  training.run();
  Training resumed(short_iee(3, 2, 4), 30);
  resumed.controller->load_state_dict(training.controller->state_dict());
  const std::vector<UpdateRecord>& a = training.controller->records();
  const std::vector<UpdateRecord>& b = resumed.controller->records();
  ASSERT_EQ(a.size(), b.size());
  ASSERT_FALSE(a.empty());
  for (std::size_t u = 0; u < a.size(); ++u) {
    EXPECT_EQ(a[u].update, b[u].update);
    EXPECT_EQ(a[u].step, b[u].step);
    EXPECT_EQ(a[u].fraction, b[u].fraction);
    EXPECT_EQ(a[u].iou_after_prune, b[u].iou_after_prune);
    EXPECT_EQ(a[u].iou_after_grow, b[u].iou_after_grow);
    EXPECT_EQ(a[u].ever_alive, b[u].ever_alive);
    ASSERT_EQ(a[u].layers.size(), b[u].layers.size());
    for (std::size_t l = 0; l < a[u].layers.size(); ++l) {
      const LayerUpdate& x = a[u].layers[l];
      const LayerUpdate& y = b[u].layers[l];
      EXPECT_EQ(x.name, y.name);
      EXPECT_EQ(x.numel, y.numel);
      EXPECT_EQ(x.alive_before, y.alive_before);
      EXPECT_EQ(x.dropped, y.dropped);
      EXPECT_EQ(x.grown, y.grown);
      EXPECT_EQ(x.regrown, y.regrown);
      EXPECT_EQ(x.alive_after, y.alive_after);
      EXPECT_EQ(x.iou_after_prune, y.iou_after_prune);
      EXPECT_EQ(x.iou_after_grow, y.iou_after_grow);
      EXPECT_EQ(x.ever_alive, y.ever_alive);
    }
  }
}

TEST(Resume, AnInconsistentStateChangesNothing) {
  const MaskPolicy policy = short_iee(3, 2, 4);
  Training training(policy, 40);
  for (std::int64_t at = 0; at < 16; ++at) training.step(at);  // explores, after one update
  const State good = training.controller->state_dict();
  const auto damaged = [&](const std::string& key, const Tensor& tensor) {
    State state = good;
    if (tensor.defined()) {
      state[key] = tensor;
    } else {
      state.erase(key);
    }
    return error_of([&] { training.controller->load_state_dict(state); });
  };
  const std::string weight = training.weights().front().name;
  ASSERT_TRUE(good.contains(weight + ".before"));
  EXPECT_NE(damaged("fraction", {}).find("'fraction'"), std::string::npos);
  EXPECT_NE(damaged("other", Tensor::zeros({1})).find("'other'"), std::string::npos);
  EXPECT_NE(damaged("records.shares", Tensor::zeros({2, 4}, {.dtype = kFloat64})).find("records.shares"),
            std::string::npos);
  EXPECT_NE(damaged(weight + ".dropped", {}).find("dropped'"), std::string::npos);
  const Tensor ones = Tensor::full({good.at(weight + ".dropped").numel()}, 255, {.dtype = kUInt8});
  EXPECT_NE(damaged(weight + ".dropped", ones).find("within"), std::string::npos);
  const Tensor living = good.at(weight + ".living");
  ASSERT_GT(living.numel(), 0);
  EXPECT_NE(damaged(weight + ".living", Tensor::full({living.numel()}, -1.0, {.dtype = kInt64})).find("positions"),
            std::string::npos);
  EXPECT_NE(damaged(weight + ".living", Tensor::zeros({0}, {.dtype = kInt64})).find("survivors"), std::string::npos);
  EXPECT_NE(damaged(weight + ".survivors", Tensor::zeros({5}, {.dtype = kInt64})).find("survivors"), std::string::npos);
  EXPECT_NE(damaged(weight + ".ever_alive", Tensor::zeros({3}, {.dtype = kUInt8})).find("ever_alive"),
            std::string::npos);
  expect_same(training.controller->state_dict(), good, "after failures");

  training.controller->begin_step(16);
  EXPECT_THROW(training.controller->state_dict(), Error);
  EXPECT_THROW(training.controller->load_state_dict(good), Error);
}

}  // namespace
}  // namespace coppice::sparsity
