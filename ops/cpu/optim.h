#pragma once

#include <array>
#include <cstdint>

namespace coppice::cpu {

/// The update of one element; ops/optim says what the formulas are.
enum class StepRule : std::uint8_t { Sgd, SgdMomentum, SgdNesterov, AdamW };

/// What a rule multiplies by, rounded to the parameter's dtype before use. Sgd: lr, decay, momentum, fresh. AdamW: lr,
/// keep, first, beta2, second, root, eps.
struct StepFactors {
  double lr = 0;
  double decay = 0;     ///< weight decay
  double momentum = 0;  ///< of the old buffer
  double fresh = 1;     ///< of the new direction in the buffer
  double keep = 1;      ///< of the weight: 1 − lr · weight decay
  double first = 0;     ///< 1 − β₁
  double beta2 = 0;
  double second = 0;  ///< 1 − β₂
  double root = 1;    ///< √(1 − β₂ᵗ)
  double eps = 0;
};

/// Arrays of f32, or of f64, that do not overlap; `states` as many as the rule has.
struct StepArrays {
  void* values = nullptr;
  const void* gradient = nullptr;
  std::array<void*, 2> states{};
};

/// The words of a weight's sets, trainable ⊆ stateful ⊆ stored; what values and states are packed over.
struct StepSets {
  const std::uint64_t* trainable = nullptr;
  const std::uint64_t* stored = nullptr;    ///< null: values are packed over trainable
  const std::uint64_t* stateful = nullptr;  ///< null: states are packed over trainable
};

/// Slots of the first position of a word in each packing.
struct StepSlots {
  std::int64_t trainable = 0;
  std::int64_t stored = 0;
  std::int64_t stateful = 0;
};

/// Elements [first, last), all arrays packed alike.
void step_elements(StepRule rule, const StepFactors& factors, bool is_double, const StepArrays& arrays,
                   std::int64_t first, std::int64_t last);

/// The trainable elements of the words [first, last); the gradient is packed over trainable. `slots` are of the word
/// `first`. The same bits as step_elements gives.
void step_words(StepRule rule, const StepFactors& factors, bool is_double, const StepArrays& arrays,
                const StepSets& sets, StepSlots slots, std::int64_t first, std::int64_t last);

}  // namespace coppice::cpu
