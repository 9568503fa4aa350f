#pragma once

#include <coppice/core/tensor.h>
#include <coppice/ops/sort.h>

namespace coppice {

/// Reductions add along a fixed tree: the result is bitwise the same for any number of threads. Dimensions may be
/// negative; an empty `dims` means all of them. With `keepdim` reduced dimensions stay, with size 1.
/// All are differentiable any number of times but those that give places, counts and truth values.

/// The sum of all elements, or along `dims`. Integral and bool inputs give int64. An empty sum is 0.
COPPICE_API Tensor sum(const Tensor& input);
COPPICE_API Tensor sum(const Tensor& input, const Dims& dims, bool keepdim = false);

/// The mean of all elements, or along `dims`; floating dtypes. An empty mean is NaN.
COPPICE_API Tensor mean(const Tensor& input);
COPPICE_API Tensor mean(const Tensor& input, const Dims& dims, bool keepdim = false);

/// The largest (smallest) element; NaN if there is any. The gradient is shared evenly among ties. Throws on reducing no
/// elements.
COPPICE_API Tensor amax(const Tensor& input, const Dims& dims = {}, bool keepdim = false);
COPPICE_API Tensor amin(const Tensor& input, const Dims& dims = {}, bool keepdim = false);

/// The index (int64) of the first largest element along `dim`; NaN counts as largest.
COPPICE_API Tensor argmax(const Tensor& input, int dim, bool keepdim = false);
/// As above over all elements in row-major order.
COPPICE_API Tensor argmax(const Tensor& input);
/// The index of the first smallest element; NaN counts as smallest.
COPPICE_API Tensor argmin(const Tensor& input, int dim, bool keepdim = false);
COPPICE_API Tensor argmin(const Tensor& input);

/// As amax (amin) of all elements.
COPPICE_API Tensor max(const Tensor& input);
COPPICE_API Tensor min(const Tensor& input);
/// The largest (smallest) elements along `dim` and where they are, as argmax (argmin) says: the first of equal ones,
/// NaN before any. The gradient goes there alone.
COPPICE_API Ordered max(const Tensor& input, int dim, bool keepdim = false);
COPPICE_API Ordered min(const Tensor& input, int dim, bool keepdim = false);
/// As maximum (minimum).
COPPICE_API Tensor max(const Tensor& input, const Tensor& other);
COPPICE_API Tensor min(const Tensor& input, const Tensor& other);

/// The product of all elements, or along `dims`. Integral and bool inputs give int64. An empty product is 1. Factors of
/// 0 have their exact gradient.
COPPICE_API Tensor prod(const Tensor& input);
COPPICE_API Tensor prod(const Tensor& input, const Dims& dims, bool keepdim = false);

/// Whether any element (all elements) is not 0, as bool. Of nothing: false (true).
COPPICE_API Tensor any(const Tensor& input, const Dims& dims = {}, bool keepdim = false);
COPPICE_API Tensor all(const Tensor& input, const Dims& dims = {}, bool keepdim = false);

/// How many elements are not 0 (int64).
COPPICE_API Tensor count_nonzero(const Tensor& input, const Dims& dims = {}, bool keepdim = false);

/// Sums a broadcast tensor back to `shape`: the gradient of broadcasting. `shape` must broadcast to input.shape().
/// The input itself when the shapes are equal.
COPPICE_API Tensor sum_to_shape(const Tensor& input, const Shape& shape);

}  // namespace coppice
