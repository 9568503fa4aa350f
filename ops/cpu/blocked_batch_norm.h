#pragma once

#include <cstdint>

namespace coppice::cpu {

/// Images (images, channels, height, width) in the blocked layout.
struct BlockedImages {
  std::int64_t images, channels, height, width;
};

// As ops/cpu/batch_norm.h, for the blocked layout, with what usually follows: + residual, then ReLU. `positive` has a
// bit per lane, one vector's in as many bytes as it needs: 1 where an output exceeded 0; null without ReLU. Lanes past
// the last image count nowhere and are 0 in every result. f32 and f64.
//
// Sums run lane by lane over a few rows of images in T, then in f64 over fixed chunks of rows: bitwise independent of
// the number of threads.

/// Bytes of `positive` for one vector.
template <class T>
std::int64_t positive_bytes();

/// Mean and biased variance of each channel, in one pass around a first guess of the mean.
template <class T>
void blocked_statistics(const BlockedImages& images, const T* input, double* mean, double* variance);

/// output = relu((input − mean) · scale + shift + residual), per channel; residual and positive may be null.
template <class T>
void blocked_normalize(const BlockedImages& images, const T* input, const double* mean, const double* scale,
                       const double* shift, const T* residual, std::uint8_t* positive, T* output);

/// Per channel Σ g and Σ g · (input − mean), g being d_output where `positive` is set; writes g to `gated` if given.
template <class T>
void blocked_batch_norm_sums(const BlockedImages& images, const T* d_output, const T* input, const double* mean,
                             const std::uint8_t* positive, double* sum, double* dot, T* gated);

/// d_input = a · g + b · (input − mean) + c, per channel.
template <class T>
void blocked_batch_norm_data_gradient(const BlockedImages& images, const T* d_output, const T* input,
                                      const double* mean, const double* a, const double* b, const double* c,
                                      const std::uint8_t* positive, T* d_input);

}  // namespace coppice::cpu
