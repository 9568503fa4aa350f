#pragma once

#include <coppice/core/tensor.h>
#include <coppice/ops/reduction.h>

namespace coppice {

/// Losses of elements: `input` and `target` are f32 or f64 of one dtype and broadcast. All can be differentiated twice,
/// with respect to the target too. The mean over no elements is NaN.

struct LossOptions {
  Reduction reduction = Reduction::Mean;
};

/// (input − target)².
COPPICE_API Tensor mse_loss(const Tensor& input, const Tensor& target, LossOptions options = {});

/// |input − target|; the derivative at 0 is 0.
COPPICE_API Tensor l1_loss(const Tensor& input, const Tensor& target, LossOptions options = {});

struct SmoothL1LossOptions {
  Reduction reduction = Reduction::Mean;
  double beta = 1.0;  ///< at least 0; at 0 this is l1_loss
};

/// d² / (2·beta) where |d| < beta, else |d| − beta / 2, for d = input − target.
COPPICE_API Tensor smooth_l1_loss(const Tensor& input, const Tensor& target, SmoothL1LossOptions options = {});

struct HuberLossOptions {
  Reduction reduction = Reduction::Mean;
  double delta = 1.0;  ///< greater than 0
};

/// d² / 2 where |d| ≤ delta, else delta · (|d| − delta / 2), for d = input − target.
COPPICE_API Tensor huber_loss(const Tensor& input, const Tensor& target, HuberLossOptions options = {});

struct BinaryCrossEntropyOptions {
  Tensor weight = {};  ///< factor of each loss, broadcast; undefined: 1
  Reduction reduction = Reduction::Mean;
};

/// −(target · log(input) + (1 − target) · log(1 − input)) for probabilities `input` in [0, 1]; logarithms are at least
/// −100, and the gradient's denominator at least 1e-12, as in PyTorch.
COPPICE_API Tensor binary_cross_entropy(const Tensor& input, const Tensor& target,
                                        const BinaryCrossEntropyOptions& options = {});

struct BinaryCrossEntropyWithLogitsOptions {
  Tensor weight = {};  ///< factor of each loss, broadcast; undefined: 1
  Reduction reduction = Reduction::Mean;
  Tensor pos_weight = {};  ///< factor of the part with `target`, broadcast; undefined: 1
};

/// binary_cross_entropy of sigmoid(input), accurate for any input.
COPPICE_API Tensor binary_cross_entropy_with_logits(const Tensor& input, const Tensor& target,
                                                    const BinaryCrossEntropyWithLogitsOptions& options = {});

struct KlDivOptions {
  enum class Reduction : std::uint8_t { Mean, BatchMean, Sum, None };
  Reduction reduction = Reduction::Mean;  ///< BatchMean: the sum over the size of the first dimension
  bool log_target = false;                ///< whether `target` holds logarithms of probabilities
};

/// target · (log(target) − input) for logarithms of probabilities `input`; 0 · log(0) is 0, and its part of the
/// target's gradient too.
COPPICE_API Tensor kl_div(const Tensor& input, const Tensor& target, KlDivOptions options = {});

}  // namespace coppice
