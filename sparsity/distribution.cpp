#include <coppice/sparsity/distribution.h>

#include <algorithm>
#include <cmath>

#include <coppice/core/error.h>

namespace coppice::sparsity {

namespace {

/// Sum of dimensions over their product; without the kernel's dimensions for Er.
double raw_density(const LayerShape& layer, Distribution distribution) {
  const int dims = distribution == Distribution::Er ? std::min(layer.shape.rank(), 2) : layer.shape.rank();
  double sum = 0.0;
  double product = 1.0;
  for (int d = 0; d < dims; ++d) {
    sum += static_cast<double>(layer.shape[d]);
    product *= static_cast<double>(layer.shape[d]);
  }
  return sum / product;
}

std::vector<bool> dense_layers(std::size_t layers, DistributionOptions options) {
  std::vector<bool> dense(layers, false);
  if (options.dense_first) dense.front() = true;
  if (options.dense_last) dense.back() = true;
  return dense;
}

LayerDensities erdos_renyi(Distribution distribution, const std::vector<LayerShape>& layers, double density,
                           DistributionOptions options) {
  std::vector<double> raw;
  std::vector<double> counts;
  for (const LayerShape& layer : layers) {
    raw.push_back(raw_density(layer, distribution));
    counts.push_back(static_cast<double>(layer.shape.numel()));
  }
  std::vector<bool> dense = dense_layers(layers.size(), options);
  LayerDensities result;
  for (;;) {
    double budget = 0.0;
    double weight = 0.0;
    double largest = 0.0;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      budget += dense[l] ? -(1.0 - density) * counts[l] : density * counts[l];
      if (dense[l]) continue;
      weight += raw[l] * counts[l];
      largest = std::max(largest, raw[l]);
    }
    COPPICE_CHECK(weight == 0.0 || budget >= 0.0,
                  "[layer_densities] expects a density that pays for the dense layers; got density ", density,
                  "; raise it, or set dense_first and dense_last to false");
    result.epsilon = weight == 0.0 ? 1.0 : budget / weight;
    if (weight == 0.0 || result.epsilon * largest <= 1.0) break;
    for (std::size_t l = 0; l < layers.size(); ++l) dense[l] = dense[l] || raw[l] == largest;
  }
  for (std::size_t l = 0; l < layers.size(); ++l) result.densities.push_back(dense[l] ? 1.0 : result.epsilon * raw[l]);
  return result;
}

}  // namespace

LayerDensities layer_densities(Distribution distribution, const std::vector<LayerShape>& layers, double density,
                               DistributionOptions options) {
  COPPICE_CHECK(density >= 0.0 && density <= 1.0, "[layer_densities] expects a density in [0, 1]; got ", density);
  if (layers.empty()) return {};
  for (const LayerShape& layer : layers) {
    COPPICE_CHECK(layer.shape.rank() >= 2 && layer.shape.numel() > 0,
                  "[layer_densities] expects (out, in, …) weights; got ", layer.name, " ", layer.shape);
  }
  if (density == 1.0) return {std::vector<double>(layers.size(), 1.0), 1.0};
  if (distribution != Distribution::Uniform) return erdos_renyi(distribution, layers, density, options);
  LayerDensities result{std::vector<double>(layers.size(), density), 1.0};
  if (options.dense_first) result.densities.front() = 1.0;
  if (options.dense_last) result.densities.back() = 1.0;
  return result;
}

std::int64_t alive_count(std::int64_t numel, double density) {
  // The nudge keeps 0.9 · 1000 from becoming 899 zeros by rounding; it is far below one weight.
  const double zeros = std::floor((1.0 - density) * static_cast<double>(numel) + 1e-6);
  return numel - std::clamp(static_cast<std::int64_t>(zeros), std::int64_t{0}, numel);
}

}  // namespace coppice::sparsity
