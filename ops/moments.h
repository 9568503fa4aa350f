#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

struct VarOptions {
  double correction = 1.0;  ///< the divisor is the number of elements less this, and at least 0
  bool keepdim = false;
};

/// The mean squared distance from the mean, of all elements or along `dims` (empty: all), in two passes; floating
/// dtypes. NaN where the divisor and the sum are 0. Differentiable any number of times; deterministic.
COPPICE_API Tensor var(const Tensor& input, const Dims& dims = {}, const VarOptions& options = {});

/// √var. The derivative is 0 where the result is.
COPPICE_API Tensor std(const Tensor& input, const Dims& dims = {}, const VarOptions& options = {});

struct VarMean {
  Tensor var;
  Tensor mean;
};
COPPICE_API VarMean var_mean(const Tensor& input, const Dims& dims = {}, const VarOptions& options = {});

}  // namespace coppice
