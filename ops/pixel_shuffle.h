#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// (…, c · r², h, w) → (…, c, h · r, w · r): channel c · r² + i · r + j becomes pixel (i, j) of each r × r block. Any
/// dtype; differentiable any number of times.
COPPICE_API Tensor pixel_shuffle(const Tensor& input, std::int64_t upscale_factor);

/// The inverse of pixel_shuffle: (…, c, h · r, w · r) → (…, c · r², h, w).
COPPICE_API Tensor pixel_unshuffle(const Tensor& input, std::int64_t downscale_factor);

}  // namespace coppice
