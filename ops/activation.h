#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// max(x, 0); NaN stays NaN. The derivative at 0 is 0.
COPPICE_API Tensor relu(const Tensor& input);

/// 1 / (1 + e^−x)
COPPICE_API Tensor sigmoid(const Tensor& input);

/// The hyperbolic tangent.
COPPICE_API Tensor tanh(const Tensor& input);

// Below: of a floating dtype; smooth ones differentiable any number of times. float32 is worked out in double where
// there is an exponential, the same bits on every instruction set.

/// log(sigmoid(x)), without overflow.
COPPICE_API Tensor log_sigmoid(const Tensor& input);

/// log(1 + e^(beta · x)) / beta; x where beta · x is above the threshold.
COPPICE_API Tensor softplus(const Tensor& input, double beta = 1.0, double threshold = 20.0);

/// min(max(x, 0), 6). The derivative at 0 and 6 is 0.
COPPICE_API Tensor relu6(const Tensor& input);

/// x where x > 0, else negative_slope · x. The derivative at 0 is negative_slope.
COPPICE_API Tensor leaky_relu(const Tensor& input, double negative_slope = 0.01);

/// As leaky_relu, with a learned slope: `weight` has one element, or one for each channel (dimension 1).
/// Source: He et al., ICCV 2015.
COPPICE_API Tensor prelu(const Tensor& input, const Tensor& weight);

/// x where x > 0, else alpha · (e^x − 1).
/// Source: Clevert et al., ICLR 2016.
COPPICE_API Tensor elu(const Tensor& input, double alpha = 1.0);

/// Limited to [min_val, max_val]. The derivative at a bound is 0, unlike that of clamp.
COPPICE_API Tensor hardtanh(const Tensor& input, double min_val = -1.0, double max_val = 1.0);

/// relu6(x + 3) / 6. The derivative at ±3 is 0.
COPPICE_API Tensor hardsigmoid(const Tensor& input);

/// x · relu6(x + 3) / 6.
/// Source: Howard et al., ICCV 2019.
COPPICE_API Tensor hardswish(const Tensor& input);

/// x · tanh(softplus(x))
/// Source: Misra, BMVC 2020.
COPPICE_API Tensor mish(const Tensor& input);

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
