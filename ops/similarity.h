#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Σ x1 · x2 / (max(‖x1‖, eps) · max(‖x2‖, eps)) along `dim`, which the result lacks; the operands broadcast. Of one
/// floating dtype; twice differentiable where neither norm is 0.
COPPICE_API Tensor cosine_similarity(const Tensor& x1, const Tensor& x2, int dim = 1, double eps = 1e-8);

/// input / max(‖input‖_p, eps), the norm being taken along `dim`; p as in norm. Of floating dtypes.
COPPICE_API Tensor normalize(const Tensor& input, double p = 2.0, int dim = 1, double eps = 1e-12);

}  // namespace coppice
