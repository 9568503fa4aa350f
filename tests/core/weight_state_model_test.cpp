// Long random sequences of transitions against a model made of plain dense arrays.

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>

namespace coppice {
namespace {

/// One weight as the method's table describes it.
struct Weight {
  bool alive = false;
  bool trainable = false;
  bool stateful = false;
  bool awake = false;
  bool dormant = false;
  double value = 0;
  double dormant_value = 0;
  double first = 0;   // optimiser state "a"
  double second = 0;  // optimiser state "b"
};

class Model {
 public:
  Model(const std::vector<double>& values, const Mask& alive) : weights_(values.size()) {
    for (std::size_t p = 0; p < values.size(); ++p) {
      Weight& w = weights_[p];
      w.alive = w.trainable = w.stateful = alive.test(static_cast<std::int64_t>(p));
      w.value = w.alive ? values[p] : 0;
    }
  }

  std::vector<Weight>& weights() { return weights_; }

  void kill(Weight& w, Dormant dormant) {
    if (dormant == Dormant::Keep) w.dormant_value = w.value;
    if (dormant != Dormant::Restore) w.dormant = dormant == Dormant::Keep;
    w.alive = w.trainable = w.stateful = w.awake = false;
    w.value = w.first = w.second = 0;
  }
  void prune(const Mask& drop, Dormant dormant) {
    at(drop, [&](Weight& w) { kill(w, dormant); });
  }
  void wake(const Mask& explore, WakeValue start, bool freeze, const std::vector<double>& init) {
    for (Weight& w : weights_) {
      if (freeze) w.trainable = w.awake;
      if (!freeze) w.trainable = w.alive;
    }
    explore.for_each([&](std::int64_t position, std::int64_t) {
      Weight& w = weights_[static_cast<std::size_t>(position)];
      w.alive = w.trainable = w.stateful = w.awake = true;
      if (start == WakeValue::Dormant && w.dormant) w.value = w.dormant_value;
      if (start == WakeValue::Init) w.value = init[static_cast<std::size_t>(position)];
    });
  }
  void grow(const Mask& grown, GrownValue value, NewbornState newborn) {
    at(grown, [&](Weight& w) {
      if (!w.awake && w.dormant) w.value = w.dormant_value;
      if (value == GrownValue::Zero) w.value = 0;
      if (newborn == NewbornState::Zero) w.first = w.second = 0;
      w.alive = w.trainable = w.stateful = true;
      w.awake = w.dormant = false;
    });
  }
  void sleep(Dormant dormant) {
    for (Weight& w : weights_) {
      if (w.awake) kill(w, dormant);
      w.trainable = w.stateful = w.alive;
    }
  }
  void set_trainable(const Mask& trainable) {
    for (Weight& w : weights_) w.trainable = false;
    at(trainable, [](Weight& w) { w.trainable = w.stateful = true; });
  }

 private:
  template <class Change>
  void at(const Mask& mask, Change change) {
    mask.for_each([&](std::int64_t position, std::int64_t) { change(weights_[static_cast<std::size_t>(position)]); });
  }
  std::vector<Weight> weights_;
};

/// About a share of the positions of a mask.
Mask some_of(const Mask& mask, Generator& generator) {
  const double share = generator.uniform_double();
  std::vector<std::int64_t> positions;
  mask.for_each([&](std::int64_t position, std::int64_t) {
    if (generator.uniform_double() < share) positions.push_back(position);
  });
  return Mask::from_positions(mask.shape(), positions);
}

void expect_same(Model& model, WeightState& state, const std::string& where) {
  const std::vector<double> dense = state.to_dense().to_vector<double>();
  const std::vector<double> stored = WeightState::scatter(state.values(), state.stored()).to_vector<double>();
  const std::vector<double> asleep = WeightState::scatter(state.dormant_values(), state.dormant()).to_vector<double>();
  const std::vector<double> first = WeightState::scatter(state.state("a"), state.stateful()).to_vector<double>();
  const std::vector<double> second = WeightState::scatter(state.state("b"), state.stateful()).to_vector<double>();
  const Mask awake = state.awake();
  const Mask dormant = state.dormant();
  for (std::size_t p = 0; p < dense.size(); ++p) {
    const Weight& w = model.weights()[p];
    const auto position = static_cast<std::int64_t>(p);
    ASSERT_EQ(state.alive().test(position), w.alive) << where << " at " << p;
    ASSERT_EQ(state.trainable().test(position), w.trainable) << where << " at " << p;
    ASSERT_EQ(state.stateful().test(position), w.stateful) << where << " at " << p;
    ASSERT_EQ(awake.test(position), w.awake) << where << " at " << p;
    ASSERT_EQ(dormant.test(position), w.dormant) << where << " at " << p;
    ASSERT_EQ(dense[p], w.value) << where << " at " << p;
    ASSERT_EQ(stored[p], w.value) << where << " at " << p;
    ASSERT_EQ(asleep[p], w.dormant ? w.dormant_value : 0) << where << " at " << p;
    ASSERT_EQ(first[p], w.first) << where << " at " << p;
    ASSERT_EQ(second[p], w.second) << where << " at " << p;
  }
  ASSERT_TRUE(state.alive().is_subset_of(state.stored())) << where;
  ASSERT_TRUE(state.trainable().is_subset_of(state.stateful())) << where;
  ASSERT_TRUE(state.stateful().is_subset_of(state.alive())) << where;
  ASSERT_EQ(state.stored().count(),
            state.alive().density() > WeightState::kDenseStorage ? state.stored().numel() : state.alive().count());
}

/// What an optimiser does: new whole numbers at trainable, in values and states.
void train(Model& model, WeightState& state, Generator& generator) {
  const Mask& trainable = state.trainable();
  double* const values = state.values().data<double>();
  double* const first = state.state("a").data<double>();
  double* const second = state.state("b").data<double>();
  trainable.for_each([&](std::int64_t position, std::int64_t) {
    const double drawn = static_cast<double>(generator.below(200)) - 100;
    Weight& w = model.weights()[static_cast<std::size_t>(position)];
    w.value = values[state.stored().rank(position)] = drawn;
    w.first = first[state.stateful().rank(position)] = drawn + 1;
    w.second = second[state.stateful().rank(position)] = drawn + 2;
  });
  state.bump_values();
}

class WeightStateModel : public testing::TestWithParam<std::int64_t> {};

TEST_P(WeightStateModel, AnySequenceOfTransitionsKeepsTheTable) {
  const Shape shape{GetParam() / 5, 5};
  for (std::uint64_t seed = 0; seed < 6; ++seed) {
    Generator generator(seed);
    const Tensor start = Tensor::randint(-50, 50, shape, generator, {.dtype = kFloat64});
    const Mask alive = Mask::random(shape, shape.numel() * static_cast<std::int64_t>(seed) / 5, generator);
    WeightState state(start, alive);
    Model model(start.to_vector<double>(), alive);
    for (int step = 0; step < 60; ++step) {
      const Dormant dormant = std::array{Dormant::Drop, Dormant::Keep, Dormant::Restore}[generator.below(3)];
      std::string name;
      switch (generator.below(6)) {
        case 0: {
          const Mask drop = some_of(state.alive(), generator);
          state.prune(drop, dormant);
          model.prune(drop, dormant);
          name = "prune";
          break;
        }
        case 1: {
          const Mask explore = some_of(~state.alive(), generator);
          const WakeValue value = std::array{WakeValue::Zero, WakeValue::Dormant, WakeValue::Init}[generator.below(3)];
          const bool freeze = generator.below(2) == 0;
          const Tensor init = Tensor::randint(-50, 50, shape, generator, {.dtype = kFloat64});
          state.wake(explore, value, freeze, value == WakeValue::Init ? init : Tensor());
          model.wake(explore, value, freeze, init.to_vector<double>());
          name = "wake";
          break;
        }
        case 2: {
          const Mask grown = some_of(state.awake() | ~state.alive(), generator);
          const GrownValue value = generator.below(2) == 0 ? GrownValue::Explored : GrownValue::Zero;
          const NewbornState newborn = generator.below(2) == 0 ? NewbornState::Keep : NewbornState::Zero;
          state.grow(grown, value, newborn);
          model.grow(grown, value, newborn);
          name = "grow";
          break;
        }
        case 3:
          state.sleep(dormant);
          model.sleep(dormant);
          name = "sleep";
          break;
        case 4: {
          const Mask trainable = some_of(state.alive(), generator);
          state.set_trainable(trainable);
          model.set_trainable(trainable);
          name = "set_trainable";
          break;
        }
        default:
          train(model, state, generator);
          name = "train";
          break;
      }
      expect_same(model, state, name + " at step " + std::to_string(step) + ", seed " + std::to_string(seed));
      if (HasFatalFailure()) return;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes, WeightStateModel, testing::Values(0, 5, 65, 320, 1030));

}  // namespace
}  // namespace coppice
