#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/projection.h>

namespace coppice::sparsity {

namespace {

Mask draw(const std::string& name, const Shape& shape, Pattern pattern, double density, Generator& generator) {
  try {
    return random_mask(shape, pattern, density, generator);
  } catch (const Error& error) {
    coppice::detail::fail("[make_sparse] ", name, ": ", error.what());
  }
}

}  // namespace

std::vector<LayerShape> prunable_layers(nn::Module& model) {
  std::vector<LayerShape> layers;
  for (const nn::PrunableWeight& weight : nn::prunable(model)) layers.push_back({weight.name, weight.shape()});
  return layers;
}

void make_sparse(nn::Module& model, const std::vector<double>& densities, std::uint64_t seed, Dormant pruned,
                 Pattern pattern) {
  const std::vector<nn::PrunableWeight> weights = nn::prunable(model);
  COPPICE_CHECK(densities.size() == weights.size(), "[make_sparse] expects one density per prunable layer; got ",
                densities.size(), " for ", weights.size(), " layers");
  COPPICE_CHECK(pruned != Dormant::Restore, "[make_sparse] expects Dormant::Drop or Dormant::Keep");
  for (std::size_t l = 0; l < weights.size(); ++l) {
    const Tensor& dense = weights[l].tensor();
    COPPICE_CHECK(!dense.is_masked(), "[make_sparse] expects dense weights; got ", weights[l].name, " Masked already");
    if (alive_count(dense.numel(), densities[l]) == dense.numel()) continue;
    Generator generator = Generator::keyed(seed, weights[l].name + "/mask");
    const Mask alive = draw(weights[l].name, dense.shape(), pattern, densities[l], generator);
    const Tensor values = dense.detach();
    if (pruned == Dormant::Drop) {
      weights[l].replace(Tensor::masked(values, alive));
    } else {
      const Tensor masked = Tensor::masked(values, Mask::all(dense.shape()));
      masked.weight_state().prune(~alive, Dormant::Keep);
      masked.weight_state().set_pattern(pattern);
      weights[l].replace(masked);
    }
  }
}

void make_sparse(nn::Module& model, const MaskPolicy& policy, std::uint64_t seed) {
  policy.validate();
  const LayerDensities layers = layer_densities(policy.distribution, prunable_layers(model), policy.density,
                                                {.dense_first = policy.dense_first, .dense_last = policy.dense_last});
  make_sparse(model, layers.densities, seed, policy.start == Start::Initial ? Dormant::Keep : Dormant::Drop,
              policy.pattern);
}

}  // namespace coppice::sparsity
