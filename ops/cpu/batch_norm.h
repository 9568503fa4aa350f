#pragma once

#include <cstdint>

namespace coppice::cpu {

/// A contiguous input (batch, channels, inner).
struct BatchNormGeometry {
  std::int64_t batch, channels, inner;

  std::int64_t count() const { return batch * inner; }  ///< values per channel
};

// Sums are taken per plane (image, channel) in fixed blocks and lanes, then over the images in order, in f64: bitwise
// independent of the number of threads, which take whole planes.

/// Mean and biased variance of each channel, in two passes.
template <class T>
void batch_statistics(const BatchNormGeometry& geometry, const T* input, double* mean, double* variance);

/// output = (input − mean) · scale + shift, per channel.
template <class T>
void normalize_channels(const BatchNormGeometry& geometry, const T* input, const double* mean, const double* scale,
                        const double* shift, T* output);

/// Per channel Σ d_output and Σ d_output · (input − mean).
template <class T>
void batch_norm_sums(const BatchNormGeometry& geometry, const T* d_output, const T* input, const double* mean,
                     double* sum, double* dot);

/// d_input = a · d_output + b · (input − mean) + c, per channel.
template <class T>
void batch_norm_data_gradient(const BatchNormGeometry& geometry, const T* d_output, const T* input, const double* mean,
                              const double* a, const double* b, const double* c, T* d_input);

}  // namespace coppice::cpu
