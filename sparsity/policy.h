#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/weight_state.h>
#include <coppice/sparsity/criterion.h>
#include <coppice/sparsity/distribution.h>
#include <coppice/sparsity/schedule.h>

namespace coppice::sparsity {

enum class Rounding : std::uint8_t { Floor, Ceil, Nearest };
/// Whether counts are exchanged inside each layer (and stay as they are) or over the whole network.
enum class Ranking : std::uint8_t { Layer, Global };
enum class TieBreak : std::uint8_t { Index, Random };
/// What batch norms do during exploration. Hold: statistics are used but not updated.
enum class ExplorationNorm : std::uint8_t { BatchHold, BatchUpdate, RunningHold };

/// The value a weight outside the mask starts from when it is explored, or grown unexplored with
/// GrownValue::Explored.
enum class Start : std::uint8_t {
  Zero,
  LastActive,  ///< the value it had when it was last alive outside an exploration; 0 if never
  Dormant,     ///< where it was left, by a prune or by the last exploration; 0 if never
  Initial,     ///< as Dormant, and at first the value of the initialisation (needs make_sparse with this policy)
};

/// A way to train sparsely, as data: which weights live, when that changes, and what happens to those that change.
///
/// A training is a row of cycles until the update period ends, then the structure is fixed:
///
///     interval steps │ drop │ accuracy_steps │ wake │ exploration_steps │ grow, sleep │ next cycle …
///          H         │      │       J        │      │        Q          │
///
/// With J = Q = 0 drop and grow happen together, and nothing is woken. With skip_step_on_update one more iteration ends
/// the cycle, whose backward serves the update only.
struct COPPICE_API MaskPolicy {
  std::string name = "custom";

  // where
  double density = 0.1;  ///< fraction of all prunable weights that is kept
  Distribution distribution = Distribution::Erk;
  bool dense_first = false;
  bool dense_last = false;
  Pattern pattern = {};  ///< of the masks that make_sparse draws; an update keeps whatever pattern a weight has

  // when
  std::int64_t interval = 0;           ///< H: steps before each drop; 0: the structure never changes
  std::int64_t accuracy_steps = 0;     ///< J: steps between drop and wake
  std::int64_t exploration_steps = 0;  ///< Q: steps with everything awake
  bool skip_step_on_update = false;    ///< the update takes an iteration of its own, without an optimiser step

  // how many, by what
  FractionSchedule fraction = {};
  Rounding rounding = Rounding::Floor;
  Ranking ranking = Ranking::Layer;
  TieBreak tie_break = TieBreak::Index;
  Criterion drop = criterion::magnitude();
  Criterion grow = criterion::magnitude();

  // newborns
  bool regrow_just_dropped = true;  ///< what this cycle dropped may be grown again
  bool regrown_keeps_state = true;  ///< dropped and grown at once: as if never dropped (value, optimiser state)
  GrownValue grown_value = GrownValue::Explored;
  NewbornState newborn_state = NewbornState::Zero;

  // exploration
  Start start = Start::Zero;
  bool freeze_alive = true;   ///< only the woken are trained; dense prunable layers count as alive
  bool freeze_others = true;  ///< biases, norms and every other parameter are not trained
  bool decay_woken = true;    ///< weight decay acts during exploration
  ExplorationNorm norm = ExplorationNorm::BatchHold;

  /// Whether cycles happen at all.
  bool updates() const { return interval > 0; }
  /// Iterations of one cycle.
  std::int64_t cycle_steps() const {
    return interval + accuracy_steps + exploration_steps + (skip_step_on_update ? 1 : 0);
  }

  /// Every field as text, in order; `set` reads it back.
  std::vector<std::pair<std::string, std::string>> to_pairs() const;
  /// Sets a field by its key (`interval`, `fraction.initial`, `start` …). Throws `[policy] …` with the nearest key, or
  /// the values a key takes.
  void set(std::string_view key, std::string_view value);
  /// Throws `[policy] …` where fields contradict each other.
  void validate() const;
};

/// Nothing is pruned.
COPPICE_API MaskPolicy dense();
/// A random mask for the whole training.
COPPICE_API MaskPolicy static_mask();
/// RigL's rules with uniformly random growth. Source: Mocanu et al. 2018, in the form of Evci et al. 2020.
COPPICE_API MaskPolicy set();
/// RigL as published: drop by magnitude, grow by dense gradient, no optimiser step on an update iteration.
/// Source: Evci et al., ICML 2020, and the authors' code (floor; grown weights start at 0 with zero momentum; a weight
/// dropped and grown at once keeps both). Their 1e-5 noise on drop scores is TieBreak::Random here, exact elsewhere.
COPPICE_API MaskPolicy rigl();
/// RigL as the in-time-over-parameterization code runs it. Differs from rigl() in: interval 4000, fraction.initial 0.5,
/// fraction.minimum 0.005, skip_step_on_update false (the optimiser steps, then the mask changes by the same gradient).
/// Source: Liu et al., ICML 2021, public code; its masks are drawn by coin flips, ours have exact counts.
COPPICE_API MaskPolicy rigl_itop();
/// Iterative exploitation and exploration: drop and grow by one criterion, after training what is outside the mask
/// with the mask's weights frozen. Source: Sun et al., WACV 2025. H = J = Q = 150 is the ImageNet setting; on shorter
/// trainings about a sixtieth of the steps each.
COPPICE_API MaskPolicy iee();
/// The ablation: no exploration, grow by stale magnitude.
COPPICE_API MaskPolicy iee_no_exploration();

/// Every preset's name, and the preset of a name (`[policy] …` with the nearest name when there is none).
COPPICE_API std::vector<std::string> preset_names();
COPPICE_API MaskPolicy preset(std::string_view name);

}  // namespace coppice::sparsity
