#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/shape.h>

namespace coppice::sparsity {

/// A prunable weight: linear (out, in) or convolution (out, in, kh, kw).
struct LayerShape {
  std::string name;
  Shape shape;
};

/// How a network's density is spread over its layers: the same everywhere, or by Erdős–Rényi, without or with the
/// kernel's dimensions.
enum class Distribution : std::uint8_t { Uniform, Er, Erk };

struct DistributionOptions {
  bool dense_first = false;
  bool dense_last = false;
};

/// Densities in layer order, and the factor they were scaled by (1 for Uniform).
struct LayerDensities {
  std::vector<double> densities;
  double epsilon = 1.0;
};

/// The density of every layer when the network keeps the fraction `density` of its weights.
///
/// Er and Erk: density_l = epsilon · (sum of dimensions / product of dimensions), with epsilon such that the whole
/// network meets `density`; layers that would exceed 1 are dense and the others pay for it. Layers the options make
/// dense are paid for likewise. Er leaves the kernel's dimensions out of the ratio.
/// Uniform: every layer has `density`; layers the options make dense come on top, as published tables count them.
/// Source: Mocanu et al. 2018 (ER); Evci et al., ICML 2020, and the authors' code (ERK).
COPPICE_API LayerDensities layer_densities(Distribution distribution, const std::vector<LayerShape>& layers,
                                           double density, DistributionOptions options = {});

/// Weights that stay: numel − floor((1 − density) · numel), exact.
COPPICE_API std::int64_t alive_count(std::int64_t numel, double density);

}  // namespace coppice::sparsity
