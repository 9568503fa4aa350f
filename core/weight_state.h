#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// What becomes of the value of a weight that is pruned or put to sleep: lost, kept asleep (`dormant`), or, for a
/// woken one, the dormant value it had before waking (lost if it had none; Drop for a prune).
enum class Dormant : std::uint8_t { Drop, Keep, Restore };
/// What a woken weight starts an exploration from: 0, its dormant value (0 if it has none), or a given tensor.
enum class WakeValue : std::uint8_t { Zero, Dormant, Init };
/// What a grown weight continues with: the value it was explored to, or 0. A weight that was not awake starts at 0
/// (or at its dormant value with Explored, if one is kept).
enum class GrownValue : std::uint8_t { Explored, Zero };
/// What happens to the optimiser state of a grown weight: zero, or kept where there is one.
enum class NewbornState : std::uint8_t { Zero, Keep };
/// The gradient asked of the next backward: packed over `trainable`, dense (for criteria that look at dead weights),
/// or none.
enum class GradientKind : std::uint8_t { Trainable, Dense, None };

/// A structure a kernel derives from the masks (offsets, permutations), cached until a mask changes.
struct COPPICE_API KernelStructure {
  virtual ~KernelStructure();
  virtual std::int64_t bytes() const = 0;
};

/// The sets of a weight, as a checkpoint holds them. Undefined means: trainable = alive, stateful = trainable, nothing
/// awake, nothing dormant.
struct COPPICE_API WeightSets {
  Mask alive{};
  Mask trainable{};
  Mask stateful{};
  Mask awake{};
  Mask dormant{};
  Pattern pattern{};  ///< WeightState::pattern(); free: that of `alive`
};

/// What a Masked tensor shares: which weights are stored, alive, trainable, and have optimiser state; their values.
///
///     stored ⊇ alive ⊇ stateful ⊇ trainable, alive ⊇ awake
///
/// Values are packed over `stored` and optimiser state over `stateful`, in row-major order of the dense shape; a
/// gradient of kind Trainable is packed over `trainable`. `stored` is `alive`, or, above kDenseStorage density,
/// everything: then the packed values *are* the dense array, with zeros where nothing is alive. Dormant values lie
/// apart, so neither kernels nor optimisers meet them.
///
/// The pattern of a weight is that of the mask it is made with, or set by set_pattern(). What is alive and not awake
/// keeps it; each of the sets has it where it keeps it, whatever its own mask said. A transition that breaks it makes
/// it free for good, so that prune(D) and grow(G) of whole blocks keep a pattern of blocks, and all others lose it.
///
/// The four transitions keep every entry not named bit-identical and leave counts exact.
///
/// | transition | alive | trainable | values | optimiser state |
/// |---|---|---|---|---|
/// | prune(D) | − D | − D | kept as dormant or dropped | dropped |
/// | wake(E) | + E | = E (frozen) or = alive | zero, dormant or given | E fresh; the rest untouched |
/// | grow(G) | + G, the other woken stay awake | + G | explored or zero | fresh or kept |
/// | sleep() | = before waking + G | = alive | the woken rest dropped (or dormant) | of the woken rest dropped |
class COPPICE_API WeightState {
 public:
  static constexpr double kDenseStorage = 0.5;

  /// Values of `dense` (f32 or f64, contiguous or not) where `alive` is set. Everything alive is trainable.
  WeightState(const Tensor& dense, const Mask& alive);
  ~WeightState();

  const Shape& shape() const { return stored_.shape(); }
  DType dtype() const { return values_.dtype(); }
  const Mask& stored() const { return stored_; }
  const Mask& alive() const { return alive_; }
  const Mask& trainable() const { return trainable_; }
  const Mask& stateful() const { return stateful_; }
  /// Woken and neither grown nor put to sleep since; none outside an exploration.
  Mask awake() const;
  /// Not alive (or awake), with a value kept for a later wake() or grow().
  Mask dormant() const;
  /// The dormant values, packed over dormant().
  Tensor dormant_values() const;
  WeightSets sets() const { return {alive_, trainable_, stateful_, awake(), dormant(), pattern_}; }
  /// The constraint that what is alive and not awake keeps.
  Pattern pattern() const { return pattern_; }
  /// Takes another one. Throws `[Mask] …` if the weights alive and not awake break it, and then changes nothing.
  void set_pattern(Pattern pattern);

  /// One-dimensional, stored().count() elements, in slot order. Optimisers write it in place, through bump_values().
  const Tensor& values() const { return values_; }
  /// Says that values() were written.
  void bump_values() { ++value_version_; }
  /// Changes whenever any of the sets changes.
  std::uint64_t mask_version() const { return mask_version_; }
  /// Changes whenever a value or a set changes.
  std::uint64_t value_version() const { return value_version_; }

  GradientKind gradient_kind() const { return gradient_kind_; }
  void set_gradient_kind(GradientKind kind) { gradient_kind_ = kind; }

  // --- optimiser state: named vectors over stateful()
  /// The vector of that name, zeros at first use.
  Tensor& state(const std::string& name);
  const std::map<std::string, Tensor>& states() const { return states_; }
  void clear_states() { states_.clear(); }

  // --- dense views, without history
  /// Dense values: those of `alive`, 0 elsewhere.
  Tensor to_dense() const;
  void expand_into(const Tensor& dense) const;
  /// The elements of a dense tensor at the set positions of a mask, packed.
  static Tensor gather(const Tensor& dense, const Mask& at);
  /// A dense tensor of zeros with packed values at the set positions.
  static Tensor scatter(const Tensor& packed, const Mask& at);
  /// Elements of a vector packed over `from` for the positions of `to`; `fill` where `from` has none. One pass.
  static Tensor remap(const Tensor& packed, const Mask& from, const Mask& to, double fill = 0.0);
  /// Writes the alive values from a dense tensor; nothing else changes.
  void assign(const Tensor& dense);

  // --- transitions (table above). Each throws `[WeightState] …` when a set is not where it must be.
  void prune(const Mask& drop, Dormant dormant = Dormant::Drop);
  void wake(const Mask& explore, WakeValue start = WakeValue::Zero, bool freeze_alive = true, const Tensor& init = {});
  void grow(const Mask& grown, GrownValue value = GrownValue::Explored, NewbornState newborn = NewbornState::Zero);
  void sleep(Dormant dormant = Dormant::Drop);
  /// Forgets every dormant value.
  void drop_dormant();
  /// Restricts what is trained (fine-tuning of survivors, freezing); `trainable` must be alive. What leaves the set is
  /// frozen: it keeps value and optimiser state.
  void set_trainable(const Mask& trainable);
  /// Replaces the whole state, as a checkpoint does: `values` packed over `sets.alive`, `dormant_values` over
  /// `sets.dormant`; optimiser state is cleared. Throws unless the sets nest, and then changes nothing.
  void restore(const WeightSets& sets, const Tensor& values, const Tensor& dormant_values = {});

  /// Everything held for this weight but its gradient, in bytes: values, masks, optimiser state, kernel structure.
  std::int64_t bytes() const;

  /// The kernel structure of type S for the present masks; `build()` makes it (a shared_ptr<const S>) when there is
  /// none yet. Threads may ask at once; `build` must not ask for a structure of the same weight.
  template <class S, class Build>
  std::shared_ptr<const S> structure(Build&& build) const {
    const std::lock_guard lock(structure_mutex_);
    if (structure_version_ != mask_version_) structures_.clear();
    structure_version_ = mask_version_;
    for (const std::shared_ptr<const KernelStructure>& structure : structures_) {
      if (auto found = std::dynamic_pointer_cast<const S>(structure)) return found;
    }
    std::shared_ptr<const S> built = build();
    structures_.push_back(built);
    return built;
  }

 private:
  /// Values and optimiser state move to the new sets; entries that had none start at 0.
  void move_to(const Mask& alive, const Mask& trainable, const Mask& stateful, const Mask& awake);
  /// The same set, with the pattern where it keeps it.
  Mask conforming(const Mask& mask) const;
  /// Says what is dormant of weights about to be pruned or put to sleep.
  void retire(const Mask& weights, Dormant dormant);
  void set_dormant(const Mask& dormant);
  void check_within(const Mask& weights, const Mask& allowed, const char* transition, const char* expectation) const;

  Mask stored_, alive_, trainable_, stateful_;
  Mask awake_, dormant_;  // undefined where empty
  Pattern pattern_;
  Tensor values_;
  Tensor dormant_values_;
  std::map<std::string, Tensor> states_;
  std::uint64_t mask_version_ = 1;
  std::uint64_t value_version_ = 1;
  GradientKind gradient_kind_ = GradientKind::Trainable;
  mutable std::mutex structure_mutex_;
  mutable std::vector<std::shared_ptr<const KernelStructure>> structures_;
  mutable std::uint64_t structure_version_ = 0;
};

}  // namespace coppice
