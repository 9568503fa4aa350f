#pragma once

#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// Slices of `input` along `dim` in the order of `index` (int64 or int32, one-dimensional or a scalar; values in
/// [0, size)). Any dtype; differentiable any number of times, as all here but nonzero.
COPPICE_API Tensor index_select(const Tensor& input, int dim, const Tensor& index);

/// input[indices[0], indices[1], …] as in NumPy and PyTorch: integer tensors, broadcast against each other, count from
/// the end where negative; a bool tensor of k dimensions takes the place of k and names where it is set; an undefined
/// tensor is a full slice, as are the dimensions past the last. The broadcast dimensions stand where the indexed ones
/// stood if those are neighbours, else first. Values outside [-size, size) throw.
COPPICE_API Tensor index(const Tensor& input, const std::vector<Tensor>& indices);

/// A copy of `input` in which input[indices…] are `values`, broadcast to that shape and of the input's dtype; with
/// `accumulate` they are added instead, in row-major order whatever the number of threads. Without it, where several
/// name one element, the last wins and only it gets a gradient.
COPPICE_API Tensor index_put(const Tensor& input, const std::vector<Tensor>& indices, const Tensor& values,
                             bool accumulate = false);

/// The coordinates of all elements that are not 0, in row-major order: int64 (count, dimensions).
COPPICE_API Tensor nonzero(const Tensor& input);

}  // namespace coppice
