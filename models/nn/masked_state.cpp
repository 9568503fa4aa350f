#include <coppice/models/nn/masked_state.h>

#include <utility>
#include <vector>

#include <coppice/core/io/safetensors.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/prunable.h>

namespace coppice::nn {

namespace {

Tensor masked_copy(const WeightState& state, DType dtype) {
  const Tensor copy = Tensor::masked(detail::raw_cast(state.to_dense(), dtype), state.alive());
  const Tensor values = WeightState::remap(state.values(), state.stored(), state.alive());
  const bool dormant = state.dormant().count() > 0;
  copy.weight_state().restore(state.sets(), detail::raw_cast(values, dtype),
                              dormant ? detail::raw_cast(state.dormant_values(), dtype) : Tensor());
  return copy;
}

}  // namespace

StateDict masked_state_dict(const Module& module) {
  StateDict state;
  for (const NamedTensor& entry : module.named_parameters()) state.set(entry.name, entry.tensor);
  for (const NamedTensor& entry : module.named_buffers()) state.set(entry.name, entry.tensor);
  return state;
}

void load_masked_state_dict(Module& module, const StateDict& state, bool strict) {
  std::vector<std::pair<PrunableWeight, Tensor>> replaced;
  for (const PrunableWeight& weight : prunable(module)) {
    if (!state.contains(weight.name) || !state.at(weight.name).is_masked()) continue;
    const WeightState& source = state.at(weight.name).weight_state();
    if (source.shape() != weight.shape()) continue;  // load_state_dict says so
    replaced.emplace_back(weight, weight.tensor());
    weight.replace(masked_copy(source, weight.tensor().dtype()));
  }
  try {
    module.load_state_dict(state, strict);
  } catch (...) {
    for (const auto& [weight, tensor] : replaced) weight.replace(tensor);
    throw;
  }
}

void load_pruned(Module& module, const std::filesystem::path& file, bool strict, PrunedOptions options) {
  StateDict state;
  for (const auto& [name, tensor] : join_pruned(load_safetensors(file).tensors, options)) state.set(name, tensor);
  load_masked_state_dict(module, state, strict);
}

void save_pruned(const std::filesystem::path& file, const Module& module, PrunedView view) {
  std::map<std::string, Tensor> tensors;
  for (const NamedTensor& entry : masked_state_dict(module)) tensors[entry.name] = entry.tensor;
  save_safetensors(file, {.tensors = split_pruned(tensors, view), .metadata = {{"format", "pt"}}});
}

}  // namespace coppice::nn
