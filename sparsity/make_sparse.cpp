#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/sparsity/controller.h>

namespace coppice::sparsity {

std::vector<LayerShape> prunable_layers(nn::Module& model) {
  std::vector<LayerShape> layers;
  for (const nn::PrunableWeight& weight : nn::prunable(model)) layers.push_back({weight.name, weight.shape()});
  return layers;
}

void make_sparse(nn::Module& model, const std::vector<double>& densities, std::uint64_t seed, Dormant pruned) {
  const std::vector<nn::PrunableWeight> weights = nn::prunable(model);
  COPPICE_CHECK(densities.size() == weights.size(), "[make_sparse] expects one density per prunable layer; got ",
                densities.size(), " for ", weights.size(), " layers");
  COPPICE_CHECK(pruned != Dormant::Restore, "[make_sparse] expects Dormant::Drop or Dormant::Keep");
  for (std::size_t l = 0; l < weights.size(); ++l) {
    const Tensor& dense = weights[l].tensor();
    COPPICE_CHECK(!dense.is_masked(), "[make_sparse] expects dense weights; got ", weights[l].name, " Masked already");
    const std::int64_t count = alive_count(dense.numel(), densities[l]);
    if (count == dense.numel()) continue;
    Generator generator = Generator::keyed(seed, weights[l].name + "/mask");
    const Mask alive = Mask::random(dense.shape(), count, generator);
    const Tensor values = dense.detach();
    if (pruned == Dormant::Drop) {
      weights[l].replace(Tensor::masked(values, alive));
    } else {
      const Tensor masked = Tensor::masked(values, Mask::all(dense.shape()));
      masked.weight_state().prune(~alive, Dormant::Keep);
      weights[l].replace(masked);
    }
  }
}

void make_sparse(nn::Module& model, const MaskPolicy& policy, std::uint64_t seed) {
  policy.validate();
  const LayerDensities layers = layer_densities(policy.distribution, prunable_layers(model), policy.density,
                                                {.dense_first = policy.dense_first, .dense_last = policy.dense_last});
  make_sparse(model, layers.densities, seed, policy.start == Start::Initial ? Dormant::Keep : Dormant::Drop);
}

}  // namespace coppice::sparsity
