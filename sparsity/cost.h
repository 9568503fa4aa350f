#pragma once

#include <cstdint>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/sparsity/policy.h>

namespace coppice::sparsity {

/// Forward FLOPs of one sample (a multiply-add counts 2; norms, activations and pooling count nothing).
struct ForwardFlops {
  double dense = 0.0;   ///< f_D
  double sparse = 0.0;  ///< f_S, the sum of density · f over layers
};

/// From each layer's dense forward FLOPs and density.
COPPICE_API ForwardFlops forward_flops(const std::vector<double>& dense_flops, const std::vector<double>& densities);

// Training FLOPs of one sample in one iteration, the mean over a cycle where they vary: forward, gradient of the data
// (the first layer's too), gradient of the weights that are trained.

/// 3 f_D.
COPPICE_API double dense_step_flops(const ForwardFlops& flops);
/// 3 f_S: a fixed mask, and SET.
COPPICE_API double static_step_flops(const ForwardFlops& flops);
/// (3 f_S · interval + 2 f_S + f_D) / (interval + 1): one dense weight gradient after `interval` sparse steps.
COPPICE_API double rigl_step_flops(const ForwardFlops& flops, std::int64_t interval);
/// 3 f_S (1 − rho) + (3 f_D − f_S) rho, where rho is the share of iterations spent exploring; the weight gradient of
/// frozen weights is not computed.
COPPICE_API double iee_step_flops(const ForwardFlops& flops, double rho);

/// The mean over a training of `total_steps` by this policy: the formulas above weighted by how many iterations of each
/// kind there are.
COPPICE_API double mean_step_flops(const MaskPolicy& policy, const ForwardFlops& flops, std::int64_t total_steps);

}  // namespace coppice::sparsity
