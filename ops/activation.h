#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// max(x, 0); NaN stays NaN. The derivative at 0 is 0.
COPPICE_API Tensor relu(const Tensor& input);

/// x · sigmoid(x), of a floating dtype.
/// Source: Elfwing et al., Neural Networks 107, 2018.
COPPICE_API Tensor silu(const Tensor& input);

/// None: x · Φ(x), with Φ of the standard normal distribution. Tanh: x · (1 + tanh(√(2/π) · (x + 0.044715 x³))) / 2.
enum class GeluApproximate : std::uint8_t { None, Tanh };

struct GeluOptions {
  GeluApproximate approximate = GeluApproximate::None;
};

/// The Gaussian error linear unit, of a floating dtype.
/// Source: Hendrycks and Gimpel, arXiv:1606.08415.
COPPICE_API Tensor gelu(const Tensor& input, const GeluOptions& options = {});

}  // namespace coppice
