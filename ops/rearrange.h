#pragma once

#include <vector>

#include <coppice/core/tensor.h>

// Outputs whose coordinates name the input's, one dimension at a time: padding, flipping, rolling, repeating,
// selecting.

namespace coppice {

/// Along `dim`, output coordinate i shows input coordinate source[i], or the fill value where that is -1.
struct DimSource {
  int dim;
  std::vector<std::int64_t> source;
};

/// `input` with each named dimension replaced; a dimension is named once. Linear in `input` where `fill` is 0, and
/// differentiable any number of times: the gradient sums what one element was shown as, in the order of coordinates.
Tensor rearrange(const char* op, const Tensor& input, std::vector<DimSource> sources, double fill = 0.0);

/// Throws unless `input` is dense and on the CPU.
void check_dense_cpu(const char* op, const Tensor& input);

/// `input`, or its contiguous copy without history where it is Blocked.
Tensor unblocked(const Tensor& input);

}  // namespace coppice
