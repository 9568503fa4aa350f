#pragma once

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// What floating elements are, as bool. Integers are finite. No gradient.
COPPICE_API Tensor isnan(const Tensor& input);
COPPICE_API Tensor isinf(const Tensor& input);
COPPICE_API Tensor isfinite(const Tensor& input);

/// Logic of truth values, as bool: what is not 0 is true, NaN too. Any dtype; operands broadcast. No gradient.
COPPICE_API Tensor logical_and(const Tensor& input, const Tensor& other);
COPPICE_API Tensor logical_or(const Tensor& input, const Tensor& other);
COPPICE_API Tensor logical_xor(const Tensor& input, const Tensor& other);
COPPICE_API Tensor logical_not(const Tensor& input);

/// Logic of the bits of integers, or of bools; operands broadcast, types as in ops/elementwise.h. Floating dtypes
/// throw.
COPPICE_API Tensor bitwise_and(const Tensor& input, const Tensor& other);
COPPICE_API Tensor bitwise_and(const Tensor& input, Scalar other);
COPPICE_API Tensor bitwise_or(const Tensor& input, const Tensor& other);
COPPICE_API Tensor bitwise_or(const Tensor& input, Scalar other);
COPPICE_API Tensor bitwise_xor(const Tensor& input, const Tensor& other);
COPPICE_API Tensor bitwise_xor(const Tensor& input, Scalar other);
COPPICE_API Tensor bitwise_not(const Tensor& input);

}  // namespace coppice
