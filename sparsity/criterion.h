#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>

namespace coppice::sparsity {

/// What a criterion may look at when it scores the candidates of one parameter.
struct ScoreInput {
  const std::string& name;
  const WeightState& state;
  const Mask& candidates;
  const Tensor& gradient;  ///< dense, defined when the criterion asked for it
  std::uint64_t seed;
  std::int64_t update;  ///< counts mask updates from 0
};

/// Scores weights; larger is more important. The same criterion can decide who is dropped and who is grown.
///
/// A criterion of your own is a value of this struct: give it a name of its own and assign it to a policy's field.
struct Criterion {
  std::string name;
  bool needs_dense_gradient = false;
  /// Scores over candidates.count() in slot order, or of the weight's shape; f32 or f64.
  std::function<Tensor(const ScoreInput&)> score;
  bool absolute = false;  ///< scores are ranked by their absolute value
  bool additive = true;   ///< a block's score is the sum over its weights, else that of its first weight
};

namespace criterion {

/// |w|; of a candidate that is neither alive nor awake, its dormant value's (0 where none is kept).
COPPICE_API Criterion magnitude();
/// |dL/dw|, which for a weight that is not alive needs a backward with a dense gradient.
COPPICE_API Criterion dense_gradient();
/// Uniform random, from the generator keyed by (seed, parameter name, update).
COPPICE_API Criterion random();
/// By name. Throws `[criterion] …` with the nearest name.
COPPICE_API Criterion named(std::string_view name);
/// The names that `named` takes.
COPPICE_API std::vector<std::string> names();

}  // namespace criterion
}  // namespace coppice::sparsity
