#pragma once

#include <optional>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// `index` (int64 or int32) has as many dimensions as `input` and, but along `dim`, sizes of at most the input's. An
/// element at (i, …, k) of the index names the input's element with its value in place of the coordinate along `dim`.
/// Values outside [0, size) throw. Differentiable any number of times; deterministic, as the order of sums is that of
/// the index in row-major order.

/// output[i][j][k] = input[index[i][j][k]][j][k] for dim 0, and so on; of the shape of `index`. Any dtype.
COPPICE_API Tensor gather(const Tensor& input, int dim, const Tensor& index);

/// `input` with output[index[i][j][k]][j][k] = source[i][j][k] for dim 0, and so on. Where several name one element the
/// last wins, and only it gets a gradient. `source` has the input's dtype and at least the sizes of `index`. Any dtype.
COPPICE_API Tensor scatter(const Tensor& input, int dim, const Tensor& index, const Tensor& source);
COPPICE_API Tensor scatter(const Tensor& input, int dim, const Tensor& index, Scalar value);

/// As scatter, adding to what is there.
COPPICE_API Tensor scatter_add(const Tensor& input, int dim, const Tensor& index, const Tensor& source);

/// gather after broadcasting `input` and `index` against each other but along `dim`; without `dim` both are flattened.
COPPICE_API Tensor take_along_dim(const Tensor& input, const Tensor& indices, std::optional<int> dim = {});

}  // namespace coppice
