#pragma once

#include <filesystem>

#include <coppice/core/io/pruned.h>
#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// All parameters and buffers, shared with the module, Masked ones as they are (Module::state_dict gives dense copies).
COPPICE_API StateDict masked_state_dict(const Module& module);

/// As Module::load_state_dict, and where `state` has a Masked tensor for a weight that pruning may touch
/// (nn::prunable), the module's own becomes a Masked copy of it: same sets, values and dormant values, no optimiser
/// state. A Masked tensor for any other parameter is loaded as dense. Make optimisers and controllers afterwards.
COPPICE_API void load_masked_state_dict(Module& module, const StateDict& state, bool strict = true);

/// Loads a safetensors file: a plain one, a masked view, or one with pairs of weights and masks as PyTorch writes them
/// (core/io/pruned.h), whose weights become truly sparse.
COPPICE_API void load_pruned(Module& module, const std::filesystem::path& file, bool strict = true,
                             PrunedOptions options = {});
/// Writes what load_pruned reads, for other frameworks.
COPPICE_API void save_pruned(const std::filesystem::path& file, const Module& module,
                             PrunedView view = PrunedView::Pairs);

}  // namespace coppice::nn
