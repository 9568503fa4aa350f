#pragma once

#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::optim {

struct ClipGradNormOptions {
  double norm_type = 2.0;  ///< p of the norm, above 0; infinity: the largest absolute value
  bool error_if_nonfinite = false;
};

/// Scales the gradients of `params` in place so that all of them together have a norm of at most `max_norm`, as
/// torch.nn.utils.clip_grad_norm_: × max_norm / (norm + 1e-6) where that is below 1. Parameters without a gradient are
/// skipped; of a Masked one the gradient at hand counts, packed or dense. Returns the norm before, summed in double in
/// a fixed order. Throws `[clip_grad_norm_] …` for a norm that is not finite only if asked to.
COPPICE_API double clip_grad_norm_(const std::vector<Tensor>& params, double max_norm,
                                   const ClipGradNormOptions& options = {});

/// Bounds every element of the gradients to [−clip_value, clip_value] in place. NaN stays.
COPPICE_API void clip_grad_value_(const std::vector<Tensor>& params, double clip_value);

}  // namespace coppice::optim
