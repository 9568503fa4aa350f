#pragma once

#include <coppice/core/tensor.h>

namespace coppice {

struct LayerNormOptions {
  double eps = 1e-5;
};

/// (x − mean) / √(variance + eps) · weight + bias over the last dimensions, whose sizes are `normalized_shape`; weight
/// and bias have that shape or are undefined; the variance is that of a population. f32 or f64. Differentiable twice.
/// Source: Ba et al., 2016.
COPPICE_API Tensor layer_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight = {},
                              const Tensor& bias = {}, LayerNormOptions options = {});

struct GroupNormOptions {
  double eps = 1e-5;
};

/// The same over `num_groups` groups of the channels of input (n, c, …) with all that follows them, image by image;
/// weight and bias (c) or undefined. Source: Wu and He, ECCV 2018.
COPPICE_API Tensor group_norm(const Tensor& input, std::int64_t num_groups, const Tensor& weight = {},
                              const Tensor& bias = {}, GroupNormOptions options = {});

struct InstanceNormOptions {
  bool use_input_stats = true;  ///< false: normalise by the running statistics
  double momentum = 0.1;        ///< of the running statistics: new = (1 − momentum) · old + momentum · batch
  double eps = 1e-5;
};

/// The same over each channel of each image of input (n, c, …), weight and bias (c) or undefined. With input
/// statistics, running ones (c), where defined, are updated in place by the average over images of mean and unbiased
/// variance. Source: Ulyanov et al., 2016.
COPPICE_API Tensor instance_norm(const Tensor& input, const Tensor& running_mean = {}, const Tensor& running_var = {},
                                 const Tensor& weight = {}, const Tensor& bias = {}, InstanceNormOptions options = {});

}  // namespace coppice
