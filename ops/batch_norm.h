#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

/// With which mean and variance batch norm normalises.
enum class BatchNormStatistics : std::uint8_t { Batch, Running };
/// Whether a forward moves the running statistics towards the batch's.
enum class BatchNormRunning : std::uint8_t { Update, Hold };

struct BatchNormOptions {
  BatchNormStatistics statistics = BatchNormStatistics::Batch;
  BatchNormRunning running = BatchNormRunning::Update;
  double momentum = 0.1;
  double eps = 1e-5;
};

/// (x − mean) / sqrt(variance + eps) · weight + bias per channel of input (n, c, …); f32 or f64.
///
/// Batch statistics are taken over all but the channel dimension, with the biased variance. Update moves
/// running_mean and running_var (c) in place, running ← (1 − momentum)·running + momentum·batch, the variance
/// unbiased, also when Running statistics normalise (then with the batch's, after use). `weight` and `bias` may be
/// undefined (1 and 0); the running pair may be undefined with Batch statistics, and Update then does nothing.
/// PyTorch's training mode is {Batch, Update}, its evaluation {Running, Hold}.
COPPICE_API Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                              const Tensor& running_var, const BatchNormOptions& options = {});

/// relu(batch_norm(input, …) + residual), the residual (as input) being optional. Blocked images take one pass over the
/// normalised values, which are not kept: backward needs the input and one bit per element.
COPPICE_API Tensor batch_norm_relu(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                   const Tensor& running_mean, const Tensor& running_var,
                                   const BatchNormOptions& options = {}, const Tensor& residual = {});

}  // namespace coppice
