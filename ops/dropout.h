#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// Each element 0 with probability p, else multiplied by 1 / (1 − p); of floating dtypes. What is dropped depends on
/// the generator's seed, stream and position alone, whatever the dtype and the number of threads; one word is drawn per
/// element, in row-major order. Where not `training`, or for p = 0, the input itself, and nothing is drawn.
/// Differentiable any number of times. Throws unless p lies in [0, 1].
/// Source: Srivastava et al., JMLR 2014.
COPPICE_API Tensor dropout(const Tensor& input, Generator& generator, double p = 0.5, bool training = true);

/// As dropout, of whole channels of (n, c, h, w): one word is drawn per image and channel.
/// Source: Tompson et al., CVPR 2015.
COPPICE_API Tensor dropout2d(const Tensor& input, Generator& generator, double p = 0.5, bool training = true);

}  // namespace coppice
