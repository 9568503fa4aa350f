#pragma once

#include <cstdint>

#include <coppice/ops/cpu/conv2d.h>
#include <coppice/ops/cpu/gemm.h>

namespace coppice::cpu {

/// The columns of a convolution's column matrix (patch, out_pixels) as a matrix product packs them, read from the image
/// (the channels of one group) where they lie: the matrix itself is never written. Zeros where a patch leaves the
/// image.
template <class T>
void pack_patches(const Conv2dGeometry& geometry, const T* image, const GemmSlice& slice, T* packed);

}  // namespace coppice::cpu
