#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// A view of the elements (…, i, i + offset) of dimensions `dim1` and `dim2`, as a new last dimension; those below the
/// main diagonal for a negative offset. Differentiable any number of times, as the others here.
COPPICE_API Tensor diagonal(const Tensor& input, std::int64_t offset = 0, int dim1 = 0, int dim2 = 1);

/// Of a vector the matrix with it on the given diagonal and zeros elsewhere; of a matrix a copy of that diagonal.
COPPICE_API Tensor diag(const Tensor& input, std::int64_t diagonal = 0);

/// The matrices in the last two dimensions with zeros above (tril) or below (triu) the given diagonal.
COPPICE_API Tensor tril(const Tensor& input, std::int64_t diagonal = 0);
COPPICE_API Tensor triu(const Tensor& input, std::int64_t diagonal = 0);

}  // namespace coppice
