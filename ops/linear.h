#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// y = x · Wᵀ + bias for an input (…, k), a weight (m, k), dense or Masked, and a bias (m) or undefined.
///
/// A Masked weight gets its gradient by WeightState::gradient_kind(): packed over trainable(), dense, or none, and
/// takes time and memory in proportion to what is alive where that is at most about half; it can be differentiated
/// once. Reports 2 · samples · weights FLOPs for every pass that runs.
COPPICE_API Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});

/// The shape of linear(…). Throws `[linear] …` where operands do not fit.
COPPICE_API Shape check_linear(const Tensor& input, const Tensor& weight, const Tensor& bias = {});

}  // namespace coppice
