#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>
#include <coppice/ops/reduction.h>

namespace coppice {

struct CrossEntropyOptions {
  Tensor weight = {};                ///< factor of each class (c), a constant; undefined: 1
  std::int64_t ignore_index = -100;  ///< class targets of this value contribute nothing, to the mean's divisor neither
  Reduction reduction = Reduction::Mean;
  double label_smoothing = 0.0;  ///< this share of the target is spread evenly over all classes; in [0, 1]
};

/// −log softmax(logits)[target] over the classes of `logits`, f32 or f64, (n, c), (n, c, d1 …) or (c).
///
/// `target` holds classes as int64, (n, d1 …) or a scalar: the mean is weighted by the weights of the targets' classes.
/// Or it holds probabilities, of the shape and dtype of `logits`: the mean divides by n · d1 ….
/// Throws when a target lies outside [0, c) and is not ignored. The mean over no rows is NaN. Class targets and weights
/// have no gradient, probabilities have. Differentiable twice.
COPPICE_API Tensor cross_entropy(const Tensor& logits, const Tensor& target, const CrossEntropyOptions& options = {});

struct NllLossOptions {
  Tensor weight = {};                ///< as above
  std::int64_t ignore_index = -100;  ///< as above
  Reduction reduction = Reduction::Mean;
};

/// −input[target] for logarithms of probabilities (n, c), (n, c, d1 …) or (c), and class targets as above.
COPPICE_API Tensor nll_loss(const Tensor& input, const Tensor& target, const NllLossOptions& options = {});

}  // namespace coppice
