#pragma once

#include <coppice/core/generator.h>
#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/models/nn/module.h>
#include <coppice/models/nn/prunable.h>

namespace coppice::testing {

/// Gives norms the statistics, scales and shifts that training might have left.
inline void draw_norms(nn::Module& model, std::uint64_t seed) {
  Generator generator(seed);
  const auto draw = [&](const Tensor& tensor, double low, double high) {
    const Tensor unit = Tensor::rand(tensor.shape(), generator, {.dtype = kFloat64});
    std::vector<double> values = unit.to_vector<double>();
    for (double& value : values) value = low + (high - low) * value;
    detail::copy_into(tensor, Tensor::of(values).to(tensor.dtype()));
  };
  for (const nn::NamedTensor& entry : model.named_buffers()) {
    if (entry.name.ends_with("running_mean")) draw(entry.tensor, -0.5, 0.5);
    if (entry.name.ends_with("running_var")) draw(entry.tensor, 0.5, 2.0);
  }
  for (const nn::NamedTensor& entry : model.named_parameters()) {
    if (entry.tensor.dim() != 1) continue;
    if (entry.name.ends_with("weight")) draw(entry.tensor, 0.5, 1.5);
    if (entry.name.ends_with("bias")) draw(entry.tensor, -0.5, 0.5);
  }
}

/// Masks every prunable weight at random.
inline void mask_randomly(nn::Module& model, double sparsity, std::uint64_t seed) {
  Generator generator(seed);
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    const Tensor dense = weight.tensor().detach();
    const auto count = static_cast<std::int64_t>(static_cast<double>(dense.numel()) * (1.0 - sparsity));
    weight.replace(Tensor::masked(dense, Mask::random(dense.shape(), count, generator)));
  }
}

}  // namespace coppice::testing
