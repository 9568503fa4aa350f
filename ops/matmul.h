#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// The matrix product, f32 or f64 of one dtype. As PyTorch's: two vectors give their dot product, a vector on one side
/// is a row (left) or column (right) whose dimension is dropped from the result, and dimensions before the last two
/// are batches that broadcast. Differentiable any number of times. Counts no FLOPs: layers do.
COPPICE_API Tensor matmul(const Tensor& a, const Tensor& b);

/// As matmul, of (b, n, k) and (b, k, m) alone: nothing broadcasts.
COPPICE_API Tensor bmm(const Tensor& a, const Tensor& b);

/// The shape of matmul(a, b). Throws `[matmul] …` where there is none.
COPPICE_API Shape check_matmul(const Tensor& a, const Tensor& b);

}  // namespace coppice
