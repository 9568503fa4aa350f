#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// exp(x) / Σ exp(x) along `dim`, without overflow: the largest element is subtracted first. Floating dtypes.
/// The last dimension is fastest.
COPPICE_API Tensor softmax(const Tensor& input, int dim = -1);

/// log(softmax(x)) along `dim`, accurate where a softmax would round to 0.
COPPICE_API Tensor log_softmax(const Tensor& input, int dim = -1);

}  // namespace coppice
