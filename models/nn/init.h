#pragma once

#include <cstdint>
#include <string>

#include <coppice/core/tensor.h>

namespace coppice::nn {

/// Inputs of one output of a weight (out, in, …): the product of all sizes but the first.
COPPICE_API std::int64_t fan_in(const Shape& weight);

/// Draws a parameter, dense or Masked (then its alive values), uniformly from [−bound, bound), from the stream
/// Generator::keyed(seed, name). The same position gets the same value whether the parameter is dense or Masked.
COPPICE_API void draw_uniform(const Tensor& parameter, double bound, std::uint64_t seed, const std::string& name);

/// The same with normal values of mean 0.
COPPICE_API void draw_normal(const Tensor& parameter, double stddev, std::uint64_t seed, const std::string& name);

/// PyTorch's default for Linear and Conv2d weights and biases, kaiming_uniform with a = √5: U(±1/√fan_in).
COPPICE_API void draw_default(const Tensor& weight, const Tensor& bias, std::uint64_t seed, const std::string& prefix);

/// Overwrites a parameter, dense or Masked (then its alive values), whether or not it requires a gradient.
COPPICE_API void assign_parameter(const Tensor& parameter, const Tensor& dense);

}  // namespace coppice::nn
