#pragma once

#include <cstdint>

#include <coppice/core/export.h>

namespace coppice::sparsity {

enum class Decay : std::uint8_t { Constant, Cosine, Exponential };

/// The share of a layer's alive weights that an update exchanges, over the update period [0, end · total steps].
struct FractionSchedule {
  Decay decay = Decay::Cosine;
  double initial = 0.3;
  double end = 0.75;     ///< of all steps: no update later
  double rate = 4.0;     ///< Exponential: initial · exp(−rate · t / T_end)
  double minimum = 0.0;  ///< never below, while updates last

  /// At `step` of a training of `total_steps`. Cosine: initial / 2 · (1 + cos(π t / T_end)).
  COPPICE_API double at(std::int64_t step, std::int64_t total_steps) const;
  /// The last step an update may happen at.
  COPPICE_API std::int64_t last_step(std::int64_t total_steps) const;
};

}  // namespace coppice::sparsity
