#pragma once

#include <memory>
#include <span>
#include <string>

#include <coppice/core/flops.h>
#include <coppice/core/function_ref.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/conv2d.h>

namespace coppice {

/// One pass of a convolution. Shapes are those of the forward pass.
struct COPPICE_API Conv2dProblem {
  FlopPhase phase;
  Shape input, weight, output;
  Conv2dOptions options;
  DType dtype;
  MemoryFormat format;                  ///< of input, output and their gradients
  const WeightState* sparse = nullptr;  ///< of a Masked weight

  /// The problem in a Plan: pass, sizes, options, format, dtype, and how many weights are alive (or trained).
  std::string key() const;
};

/// What a kernel makes of problem and weight before it meets images.
struct COPPICE_API PackedFilter {
  virtual ~PackedFilter();
};

/// What a pass reads, without history; images in the problem's format, all else contiguous.
struct Conv2dOperands {
  Tensor x;                              ///< the input; undefined in the data gradient
  Tensor y;                              ///< the output's gradient; undefined in the forward pass
  Tensor weight;                         ///< a dense weight; undefined for a Masked one and in the weight gradient
  Tensor bias{};                         ///< or undefined; forward pass only
  Tensor residual{};                     ///< added to the output, or undefined; for candidates that finish it
  bool relu = false;                     ///< done last; for candidates that finish the output
  const PackedFilter* packed = nullptr;  ///< what the candidate's `pack` made of problem and weight; null: not yet
};

/// A kernel that could do one pass.
struct Conv2dCandidate {
  const char* name;
  bool (*can_run)(const Conv2dProblem& problem);
  /// Estimated time in multiply-adds of the blocked dense kernel. A function of sizes and counts alone: the same
  /// network takes the same kernels on every run.
  double (*cost)(const Conv2dProblem& problem);
  /// The output, the input's gradient, or the weight's: dense for a dense weight, packed over the trainable entries for
  /// a Masked one.
  Tensor (*run)(const Conv2dProblem& problem, const Conv2dOperands& operands);
  /// Whether a forward pass adds the residual and does the ReLU. Otherwise conv2d_relu does so in the output returned,
  /// which must be the candidate's own.
  bool finishes = false;
  /// Makes what `run` would make at every call of problem and weight alone, for operands.packed; null where there is no
  /// such thing.
  std::shared_ptr<const PackedFilter> (*pack)(const Conv2dProblem& problem, const Conv2dOperands& operands) = nullptr;
};

/// All candidates for one pass.
COPPICE_API std::span<const Conv2dCandidate> conv2d_candidates(FlopPhase phase);

/// Adds a kernel to a pass, for the life of the process: conv2d takes it where it can run and is the cheapest, or where
/// a Plan or COPPICE_KERNEL says so. `candidate.name`, unique in the pass, must live as long. Threads may be choosing.
COPPICE_API void register_conv2d_candidate(FlopPhase phase, const Conv2dCandidate& candidate);

/// What a Plan or COPPICE_KERNEL asks for (ops/plan.h), else the cheapest that can run.
COPPICE_API const Conv2dCandidate& choose_conv2d(const Conv2dProblem& problem);

/// Runs that one, after a TrialScope has seen the problem.
COPPICE_API Tensor run_conv2d(const Conv2dProblem& problem, const Conv2dOperands& operands);
/// The same where run(candidate) does more than the candidate's own run.
COPPICE_API Tensor run_conv2d(const Conv2dProblem& problem, FunctionRef<Tensor(const Conv2dCandidate& candidate)> run);

/// The gradient of every weight of a Masked filter, dead or alive, by the cheapest dense candidate.
COPPICE_API Tensor conv2d_dense_weight_gradient(const Conv2dProblem& problem, const Conv2dOperands& operands);

}  // namespace coppice
