#include <gtest/gtest.h>

#include <atomic>
#include <cmath>
#include <limits>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include <coppice/core/allocator.h>
#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>

namespace coppice {
namespace {

Mask at(const Shape& shape, const std::vector<std::int64_t>& positions) {
  return Mask::from_positions(shape, positions);
}

/// 8 weights 1 … 8 of which {0, 2, 5} are alive, with a momentum of 10, 20, 30.
struct Small {
  Small() : state(Tensor::of({1.F, 2.F, 3.F, 4.F, 5.F, 6.F, 7.F, 8.F}, shape), at(shape, {0, 2, 5})) {
    state.state("m").copy_(Tensor::of({10.F, 20.F, 30.F}));
  }
  std::vector<float> dense() const { return state.to_dense().to_vector<float>(); }
  std::vector<float> momentum() const {
    return WeightState::scatter(state.states().at("m"), state.stateful()).to_vector<float>();
  }

  Shape shape{2, 4};
  WeightState state;
};

using Floats = std::vector<float>;

TEST(WeightState, HoldsWhatIsAlive) {
  const Small small;
  EXPECT_EQ(small.state.values().to_vector<float>(), (Floats{1, 3, 6}));
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 6, 0, 0}));
  EXPECT_EQ(small.state.stored(), small.state.alive());
  EXPECT_EQ(small.state.awake().count(), 0);
  EXPECT_EQ(small.state.dormant().count(), 0);
  // Four equal sets are one object.
  EXPECT_EQ(small.state.stored().version(), small.state.stateful().version());
  EXPECT_EQ(small.state.bytes(), 3 * 4 + small.state.alive().bytes() + 3 * 4);
}

TEST(WeightState, StoresEverythingAboveHalfDensity) {
  const Shape shape{2, 4};
  const Tensor dense = Tensor::ones(shape);
  EXPECT_EQ(WeightState(dense, at(shape, {0, 1, 2, 3})).stored().count(), 4);
  WeightState state(dense, at(shape, {0, 1, 2, 3, 6}));
  EXPECT_EQ(state.stored().count(), 8);
  EXPECT_EQ(state.values().to_vector<float>(), (Floats{1, 1, 1, 1, 0, 0, 1, 0}));
  state.prune(at(shape, {6}));
  EXPECT_EQ(state.stored(), state.alive());
  state.grow(at(shape, {4, 5}));
  EXPECT_EQ(state.values().to_vector<float>(), (Floats{1, 1, 1, 1, 0, 0, 0, 0}));
}

TEST(WeightState, PruneDropsValueAndState) {
  Small small;
  small.state.prune(at(small.shape, {2}));
  EXPECT_EQ(small.dense(), (Floats{1, 0, 0, 0, 0, 6, 0, 0}));
  EXPECT_EQ(small.momentum(), (Floats{10, 0, 0, 0, 0, 30, 0, 0}));
  EXPECT_EQ(small.state.values().numel(), 2);
  EXPECT_EQ(small.state.trainable(), small.state.alive());
  EXPECT_EQ(small.state.dormant().count(), 0);
  // Regrown, it starts from nothing.
  small.state.grow(at(small.shape, {2}), GrownValue::Explored, NewbornState::Keep);
  EXPECT_EQ(small.dense(), (Floats{1, 0, 0, 0, 0, 6, 0, 0}));
  EXPECT_EQ(small.momentum(), (Floats{10, 0, 0, 0, 0, 30, 0, 0}));
}

TEST(WeightState, RegrowsWhatWasJustPrunedWithItsDormantValue) {
  Small small;
  small.state.prune(at(small.shape, {2, 5}), Dormant::Keep);
  EXPECT_EQ(small.state.dormant(), at(small.shape, {2, 5}));
  EXPECT_EQ(small.state.dormant_values().to_vector<float>(), (Floats{3, 6}));
  EXPECT_EQ(small.dense(), (Floats{1, 0, 0, 0, 0, 0, 0, 0}));
  small.state.grow(at(small.shape, {1, 2}), GrownValue::Explored);
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 0, 0, 0}));
  EXPECT_EQ(small.momentum(), (Floats{10, 0, 0, 0, 0, 0, 0, 0}));
  EXPECT_EQ(small.state.trainable(), at(small.shape, {0, 1, 2}));
  EXPECT_EQ(small.state.dormant(), at(small.shape, {5}));
  small.state.grow(at(small.shape, {5}), GrownValue::Zero);
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 0, 0, 0}));
  EXPECT_EQ(small.state.dormant().count(), 0);
}

TEST(WeightState, WakeStartsFromZeroDormantOrInit) {
  const Shape shape{2, 4};
  const Tensor init = Tensor::of({-1.F, -2.F, -3.F, -4.F, -5.F, -6.F, -7.F, -8.F}, shape);
  const std::map<WakeValue, Floats> expected = {{WakeValue::Zero, {1, 0, 0, 0, 0, 6, 0, 0}},
                                                {WakeValue::Dormant, {1, 0, 3, 0, 0, 6, 0, 0}},
                                                {WakeValue::Init, {1, 0, -3, -4, 0, 6, 0, 0}}};
  for (const auto& [start, dense] : expected) {
    Small small;
    small.state.prune(at(shape, {2}), Dormant::Keep);
    const Mask before = small.state.alive();
    small.state.wake(at(shape, {2, 3}), start, true, start == WakeValue::Init ? init : Tensor());
    EXPECT_EQ(small.dense(), dense);
    EXPECT_EQ(small.state.alive(), before | at(shape, {2, 3}));
    EXPECT_EQ(small.state.trainable(), at(shape, {2, 3}));
    EXPECT_EQ(small.state.awake(), at(shape, {2, 3}));
    EXPECT_EQ(small.state.stateful(), small.state.alive());
    EXPECT_EQ(small.momentum(), (Floats{10, 0, 0, 0, 0, 30, 0, 0}));
  }
  Small small;
  small.state.wake(at(shape, {1}), WakeValue::Zero, false);
  EXPECT_EQ(small.state.trainable(), small.state.alive());
}

/// Awake {1, 2, 3} explored to 100, 200, 300 with momentum 7, 8, 9; {0, 5} frozen; 2 has the dormant value 3.
struct Exploring : Small {
  Exploring() {
    state.prune(at(shape, {2}), Dormant::Keep);
    state.wake(at(shape, {1, 2, 3}));
    state.assign(Tensor::of({1.F, 100.F, 200.F, 300.F, -1.F, 6.F, -1.F, -1.F}, shape));
    state.state("m").copy_(Tensor::of({10.F, 7.F, 8.F, 9.F, 30.F}));
  }
};

TEST(WeightState, GrowKeepsTheExploredValueOrZero) {
  const Shape shape{2, 4};
  for (const GrownValue value : {GrownValue::Explored, GrownValue::Zero}) {
    for (const NewbornState newborn : {NewbornState::Keep, NewbornState::Zero}) {
      Exploring w;
      w.state.grow(at(shape, {1, 2, 7}), value, newborn);
      const bool explored = value == GrownValue::Explored;
      EXPECT_EQ(w.dense(), (Floats{1, explored ? 100.F : 0.F, explored ? 200.F : 0.F, 300, 0, 6, 0, 0}));
      const bool kept = newborn == NewbornState::Keep;
      EXPECT_EQ(w.momentum(), (Floats{10, kept ? 7.F : 0.F, kept ? 8.F : 0.F, 9, 0, 30, 0, 0}));
      EXPECT_EQ(w.state.awake(), at(shape, {3}));
      EXPECT_EQ(w.state.trainable(), at(shape, {1, 2, 3, 7}));
      w.state.sleep();
      EXPECT_EQ(w.dense(), (Floats{1, explored ? 100.F : 0.F, explored ? 200.F : 0.F, 0, 0, 6, 0, 0}));
      EXPECT_EQ(w.state.alive(), at(shape, {0, 1, 2, 5, 7}));
      EXPECT_EQ(w.state.trainable(), w.state.alive());
      EXPECT_EQ(w.state.stateful(), w.state.alive());
      EXPECT_EQ(w.momentum(), (Floats{10, kept ? 7.F : 0.F, kept ? 8.F : 0.F, 0, 0, 30, 0, 0}));
      EXPECT_EQ(w.state.dormant().count(), 0);
    }
  }
}

TEST(WeightState, SleepDropsKeepsOrRestoresDormantValues) {
  const Shape shape{2, 4};
  const std::map<Dormant, std::pair<Mask, Floats>> expected = {{Dormant::Drop, {at(shape, {}), {}}},
                                                               {Dormant::Keep, {at(shape, {2, 3}), {200, 300}}},
                                                               {Dormant::Restore, {at(shape, {2}), {3}}}};
  for (const auto& [dormant, kept] : expected) {
    Exploring w;
    w.state.grow(at(shape, {1}));
    w.state.sleep(dormant);
    EXPECT_EQ(w.dense(), (Floats{1, 100, 0, 0, 0, 6, 0, 0}));
    EXPECT_EQ(w.state.dormant(), kept.first);
    EXPECT_EQ(w.state.dormant_values().to_vector<float>(), kept.second);
    EXPECT_EQ(w.momentum(), (Floats{10, 0, 0, 0, 0, 30, 0, 0}));
    w.state.drop_dormant();
    EXPECT_EQ(w.state.dormant().count(), 0);
    EXPECT_EQ(w.state.bytes(), 3 * 4 + w.state.alive().bytes() + 3 * 4);
  }
}

TEST(WeightState, TheFrozenPartIsBitIdenticalAfterAnExploration) {
  const Shape shape{40, 50};
  Generator generator(3);
  const Tensor dense = Tensor::randn(shape, generator);
  const Mask alive = Mask::random(shape, 200, generator);
  WeightState state(dense, alive);
  state.state("exp_avg").copy_(Tensor::randn({200}, generator));
  const Tensor values = WeightState::gather(dense, alive);
  const Tensor average = WeightState::remap(state.state("exp_avg"), alive, alive);
  state.wake(~alive);
  EXPECT_EQ(state.stored().count(), 2000);
  EXPECT_EQ(state.trainable(), ~alive);
  EXPECT_TRUE(bit_equal(WeightState::remap(state.values(), state.stored(), alive), values));
  EXPECT_TRUE(bit_equal(WeightState::remap(state.state("exp_avg"), state.stateful(), alive), average));
  state.sleep();
  EXPECT_TRUE(bit_equal(state.values(), values));
  EXPECT_TRUE(bit_equal(state.state("exp_avg"), average));
  EXPECT_EQ(state.stored(), alive);
}

TEST(WeightState, SetTrainableFreezesTheRestWithItsState) {
  Small small;
  small.state.set_trainable(at(small.shape, {5}));
  EXPECT_EQ(small.state.trainable(), at(small.shape, {5}));
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 6, 0, 0}));
  EXPECT_EQ(small.momentum(), (Floats{10, 0, 20, 0, 0, 30, 0, 0}));
  EXPECT_THROW(small.state.set_trainable(at(small.shape, {1})), Error);
}

TEST(WeightState, TransitionsRefuseWhatIsNotThere) {
  Small small;
  const std::uint64_t before = small.state.value_version();
  EXPECT_THROW(small.state.prune(at(small.shape, {1})), Error);
  EXPECT_THROW(small.state.wake(at(small.shape, {0})), Error);
  EXPECT_THROW(small.state.grow(at(small.shape, {0})), Error);
  EXPECT_THROW(small.state.prune(at({8}, {0})), Error);
  EXPECT_THROW(small.state.prune(Mask()), Error);
  EXPECT_THROW(small.state.wake(at(small.shape, {1}), WakeValue::Init), Error);
  EXPECT_THROW(small.state.wake(at(small.shape, {1}), WakeValue::Zero, true, Tensor::ones({2, 4})), Error);
  EXPECT_THROW(small.state.wake(at(small.shape, {1}), WakeValue::Init, true, Tensor::ones({8})), Error);
  EXPECT_THROW(small.state.assign(Tensor::ones({8})), Error);
  EXPECT_EQ(small.state.value_version(), before);
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 6, 0, 0}));
  EXPECT_THROW(WeightState(Tensor::arange(8), Mask::all({8})), Error);
  EXPECT_THROW(WeightState(Tensor::ones({8}), Mask::all({2, 4})), Error);
}

TEST(WeightState, RestoreResumesInTheMiddleOfAnExploration) {
  Exploring original;
  Small resumed;
  const WeightState& from = original.state;
  const Tensor values = WeightState::remap(from.values(), from.stored(), from.alive());
  resumed.state.restore(from.sets(), values, from.dormant_values());
  EXPECT_TRUE(resumed.state.states().empty());
  resumed.state.state("m").copy_(from.states().at("m"));
  for (Small* w : std::initializer_list<Small*>{&original, &resumed}) {
    w->state.grow(at(w->shape, {1}));
    w->state.sleep(Dormant::Restore);
  }
  EXPECT_EQ(original.dense(), resumed.dense());
  EXPECT_EQ(original.momentum(), resumed.momentum());
  EXPECT_EQ(original.state.dormant(), resumed.state.dormant());
  EXPECT_TRUE(bit_equal(original.state.dormant_values(), resumed.state.dormant_values()));
}

TEST(WeightState, RestoreRefusesSetsThatDoNotNest) {
  Small small;
  const Shape& shape = small.shape;
  const Mask alive = at(shape, {0, 1});
  const Tensor two = Tensor::ones({2});
  const std::uint64_t before = small.state.mask_version();
  EXPECT_THROW(small.state.restore({}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = at({8}, {0, 1})}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = alive}, Tensor::ones({3})), Error);
  EXPECT_THROW(small.state.restore({.alive = alive}, Tensor::ones({2}, {.dtype = kFloat64})), Error);
  EXPECT_THROW(small.state.restore({.alive = alive}, Tensor()), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .trainable = at(shape, {2})}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .stateful = at(shape, {0})}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .stateful = at(shape, {0, 1, 2})}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .awake = at(shape, {2})}, two), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .dormant = at(shape, {1})}, two, Tensor::ones({1})), Error);
  EXPECT_THROW(small.state.restore({.alive = alive, .dormant = at(shape, {2})}, two), Error);
  EXPECT_EQ(small.state.mask_version(), before);
  EXPECT_EQ(small.dense(), (Floats{1, 0, 3, 0, 0, 6, 0, 0}));
  small.state.restore({.alive = alive}, two);
  EXPECT_EQ(small.dense(), (Floats{1, 1, 0, 0, 0, 0, 0, 0}));
  small.state.restore({.alive = Mask::all(shape) - at(shape, {7})}, Tensor::full({7}, 4));
  EXPECT_EQ(small.dense(), (Floats{4, 4, 4, 4, 4, 4, 4, 0}));
}

TEST(WeightState, PackingsMatchPlainLoops) {
  Generator generator(5);
  for (const std::int64_t size : {0, 1, 63, 64, 65, 130, 1000, 40000}) {
    const Shape shape{size};
    const Tensor dense = Tensor::randint(-9, 9, shape, generator, {.dtype = kFloat64});
    const std::vector<double> elements = dense.to_vector<double>();
    const Mask from = Mask::random(shape, size / 2, generator);
    for (const Mask& to : {Mask::random(shape, size / 3, generator), Mask::all(shape), Mask::none(shape), from}) {
      std::vector<double> packed;
      std::vector<double> moved;
      std::vector<double> spread(static_cast<std::size_t>(size));
      for (std::int64_t p = 0; p < size; ++p) {
        const double element = elements[static_cast<std::size_t>(p)];
        if (to.test(p)) packed.push_back(element);
        if (to.test(p)) moved.push_back(from.test(p) ? element : -0.5);
        if (to.test(p)) spread[static_cast<std::size_t>(p)] = element;
      }
      const Tensor gathered = WeightState::gather(dense, to);
      EXPECT_EQ(gathered.to_vector<double>(), packed);
      EXPECT_EQ(WeightState::scatter(gathered, to).to_vector<double>(), spread);
      EXPECT_EQ(WeightState::remap(WeightState::gather(dense, from), from, to, -0.5).to_vector<double>(), moved);
    }
  }
  EXPECT_THROW(WeightState::scatter(Tensor::ones({3}), Mask::all({4})), Error);
  EXPECT_THROW(WeightState::remap(Tensor::ones({3}), Mask::all({3}), Mask::all({1, 3})), Error);
}

TEST(WeightState, ExpandIntoAndAssign) {
  Small small;
  const Tensor dense = Tensor::full(small.shape, 99.0);
  small.state.expand_into(dense);
  EXPECT_EQ(dense.to_vector<float>(), small.dense());
  EXPECT_THROW(small.state.expand_into(Tensor::ones({8})), Error);
  const std::uint64_t version = small.state.value_version();
  const std::uint64_t topology = small.state.mask_version();
  small.state.assign(Tensor::full(small.shape, 4.0));
  EXPECT_EQ(small.dense(), (Floats{4, 0, 4, 0, 0, 4, 0, 0}));
  EXPECT_GT(small.state.value_version(), version);
  EXPECT_EQ(small.state.mask_version(), topology);
  small.state.prune(at(small.shape, {0}));
  EXPECT_GT(small.state.mask_version(), topology);
}

struct Offsets : KernelStructure {
  std::int64_t bytes() const override { return 1000; }
};
struct Blocks : KernelStructure {
  std::int64_t bytes() const override { return 70; }
};

TEST(WeightState, StructuresAreBuiltOncePerTopology) {
  Small small;
  int built = 0;
  const auto offsets = [&] { return ++built, std::make_shared<const Offsets>(); };
  const auto blocks = [&] { return ++built, std::make_shared<const Blocks>(); };
  const std::int64_t bare = small.state.bytes();
  const auto first = small.state.structure<Offsets>(offsets);
  small.state.structure<Blocks>(blocks);
  EXPECT_EQ(small.state.structure<Offsets>(offsets), first);
  EXPECT_EQ(built, 2);
  EXPECT_EQ(small.state.bytes(), bare + 1070);
  small.state.bump_values();
  EXPECT_EQ(small.state.structure<Offsets>(offsets), first);
  small.state.set_trainable(at(small.shape, {0}));
  EXPECT_NE(small.state.structure<Offsets>(offsets), first);
  EXPECT_EQ(built, 3);
}

TEST(WeightState, ThreadsMayAskForAStructureAtOnce) {
  const Small small;
  std::atomic<int> built{0};
  std::vector<std::thread> threads;
  std::vector<std::shared_ptr<const Offsets>> seen(8);
  for (std::size_t t = 0; t < seen.size(); ++t) {
    threads.emplace_back([&, t] {
      seen[t] = small.state.structure<Offsets>([&] { return ++built, std::make_shared<const Offsets>(); });
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(built, 1);
  for (const auto& structure : seen) EXPECT_EQ(structure, seen[0]);
}

TEST(WeightState, MaskedTensorsShareTheirState) {
  const Shape shape{2, 4};
  const Tensor weight = Tensor::masked(Tensor::ones(shape), at(shape, {1, 3}));
  EXPECT_TRUE(weight.is_masked());
  EXPECT_EQ(weight.shape(), shape);
  EXPECT_EQ(weight.nbytes(), 8);
  const Tensor same = weight;
  const std::uint64_t version = weight.version();
  same.weight_state().prune(at(shape, {1}));
  EXPECT_EQ(weight.weight_state().alive().count(), 1);
  EXPECT_GT(weight.version(), version);
  EXPECT_EQ(weight.to_dense().to_vector<float>(), (Floats{0, 0, 0, 1, 0, 0, 0, 0}));
  EXPECT_THROW(Tensor::ones({2}).weight_state(), Error);
  EXPECT_THROW(Tensor::masked(Tensor::ones({8}), at(shape, {1})), Error);
}

TEST(WeightState, KeepsItsPatternWhereWholeUnitsChange) {
  const Shape shape{4, 3};
  const Pattern pairs = Pattern::block(2, 1);
  // Pairs of rows: {0, 3}, {1, 4}, {2, 5}, {6, 9}, {7, 10}, {8, 11}.
  const auto state_of = [&] { return WeightState(Tensor::ones(shape), at(shape, {0, 3, 1, 4}).with_pattern(pairs)); };
  WeightState state = state_of();
  state.prune(at(shape, {0, 3}));  // whole, though the mask does not say so
  EXPECT_EQ(state.alive().pattern(), pairs);
  EXPECT_EQ(state.alive().version(), state.trainable().version()) << "equal sets are one object";
  state.wake(~state.alive());
  for (const Mask& mask : {state.alive(), state.trainable(), state.stateful(), state.awake()}) {
    EXPECT_EQ(mask.pattern(), pairs);
  }
  state.grow(at(shape, {8, 11}));
  state.sleep();
  EXPECT_EQ(state.alive(), at(shape, {1, 4, 8, 11}));
  EXPECT_EQ(state.alive().pattern(), pairs);
  state.set_trainable(at(shape, {1}));
  EXPECT_EQ(state.trainable().pattern(), Pattern());
  EXPECT_EQ(state.alive().pattern(), pairs);

  WeightState restored(Tensor::zeros(shape), Mask::none(shape));
  restored.restore(state.sets(), state.values());
  EXPECT_EQ(restored.pattern(), pairs);
  EXPECT_EQ(restored.alive().pattern(), pairs);
  WeightSets broken = state.sets();
  broken.alive = broken.trainable = broken.stateful = at(shape, {1, 4, 8});
  EXPECT_THROW(restored.restore(broken, Tensor::ones({3})), Error);
  EXPECT_EQ(restored.alive(), state.alive()) << "nothing changed";

  state.prune(at(shape, {1}));
  EXPECT_EQ(state.pattern(), Pattern());
  state.grow(at(shape, {1}));
  EXPECT_EQ(state.alive().pattern(), Pattern()) << "given up for good";
  EXPECT_THROW(state.set_pattern(Pattern::block(4, 1)), Error);
  state.set_pattern(pairs);
  EXPECT_EQ(state.alive().pattern(), pairs);
}

TEST(WeightState, AnNmPatternOutlivesAnExploration) {
  const Shape shape{2, 4};
  const Pattern two = Pattern::nm(2, 4);
  WeightState state(Tensor::ones(shape), at(shape, {0, 1, 4, 5}).with_pattern(two));
  state.prune(at(shape, {1}));
  state.wake(~state.alive());
  EXPECT_EQ(state.alive().pattern(), Pattern());
  EXPECT_EQ(state.pattern(), two);
  WeightState copy(Tensor::zeros(shape), Mask::none(shape));
  copy.restore(state.sets(), WeightState::remap(state.values(), state.stored(), state.alive()));
  EXPECT_EQ(copy.pattern(), two);
  for (WeightState* each : {&state, &copy}) {
    each->grow(at(shape, {3}));
    each->sleep();
    EXPECT_EQ(each->alive(), at(shape, {0, 3, 4, 5}));
    EXPECT_EQ(each->alive().pattern(), two);
  }
  state.grow(at(shape, {6}));
  EXPECT_EQ(state.pattern(), Pattern()) << "three of four";
}

}  // namespace
}  // namespace coppice
