#pragma once

#include <span>

#include <coppice/core/flops.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>

namespace coppice {

/// The operands of one pass of a linear layer with a Masked weight (m, k): contiguous matrices without history.
struct LinearOperands {
  Tensor x;       ///< (n, k); undefined in the data gradient
  Tensor y;       ///< the gradient of (n, m); undefined in the forward pass
  Tensor bias{};  ///< (m) or undefined; forward pass only
};

/// A kernel that could do one pass.
struct LinearCandidate {
  const char* name;
  bool (*can_run)(const WeightState& weight);
  /// Estimated time in multiply-adds of our dense product. A function of sizes and counts alone: the same network
  /// takes the same kernels on every run.
  double (*cost)(const WeightState& weight, std::int64_t samples);
  /// The output (n, m), the input's gradient (n, k), or the packed gradient of the trainable weights.
  Tensor (*run)(const WeightState& weight, const LinearOperands& operands);
};

/// x (n, k) · weightᵀ + bias: (n, m). `weight` holds m·k elements in row-major order; `bias` is (m) or undefined.
Tensor dense_product(const Tensor& x, const Tensor& weight, std::int64_t m, const Tensor& bias);

/// d_yᵀ (m, n) · x (n, k): the gradient of every weight, dead or alive.
Tensor dense_weight_gradient(const Tensor& d_y, const Tensor& x);

/// All candidates for one pass.
COPPICE_API std::span<const LinearCandidate> linear_candidates(FlopPhase phase);

/// Adds a kernel to a pass, for the life of the process; see register_conv2d_candidate.
COPPICE_API void register_linear_candidate(FlopPhase phase, const LinearCandidate& candidate);

/// What a Plan or COPPICE_KERNEL asks for (ops/plan.h), else the cheapest that can run.
COPPICE_API const LinearCandidate& choose_linear(FlopPhase phase, const WeightState& weight, std::int64_t samples);

/// Runs that one, after a TrialScope has seen the problem.
COPPICE_API Tensor run_linear(FlopPhase phase, const WeightState& weight, const LinearOperands& operands);

}  // namespace coppice
