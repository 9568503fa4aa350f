#pragma once

#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// The tensors one after another along `dim`; the other sizes must be equal. The result has the promoted dtype of all
/// (promote_types). Tensors of shape (0) are skipped, whatever the others' rank. Differentiable any number of times.
COPPICE_API Tensor cat(const std::vector<Tensor>& tensors, int dim = 0);

/// The tensors, of one shape, side by side along a new dimension `dim`.
COPPICE_API Tensor stack(const std::vector<Tensor>& tensors, int dim = 0);

}  // namespace coppice
