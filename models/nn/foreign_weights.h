#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include <coppice/models/nn/module.h>

/// Weights that other frameworks trained (docs/interchange.md).
namespace coppice::nn {

/// The tensors of a file: a safetensors file, plain, masked or with pairs of weights and masks, or a state dict or
/// checkpoint of torch.save (core/io/pth.h). Its first bytes say which. Throws what their readers throw.
COPPICE_API StateDict read_state_dict(const std::filesystem::path& file);

/// Where `from` stands in a name, `to` is put in its place; at the beginning of names only if `from` begins with '^'.
struct KeyRule {
  std::string from;
  std::string to;
};

/// The same tensors by names that every rule, in order, was applied to. Throws `[rename_keys] …` when two names become
/// one.
COPPICE_API StateDict rename_keys(const StateDict& state, const std::vector<KeyRule>& rules);

/// The entries below the prefix with which `state` has most of the module's names: of a checkpoint that PyTorch's
/// DataParallel wrote, those below `state_dict.module.`, and not its optimiser's. The state itself where no prefix
/// finds more names than none.
COPPICE_API StateDict without_prefix(const Module& module, const StateDict& state);

/// Gives every Conv2d, Linear and BatchNorm2d below `module` the widths of its tensors in `state`, for networks whose
/// channels were pruned away: only the number of channels or features may differ. A convolution in which every channel
/// was a group of its own stays so. The values of layers whose widths change are lost; load the state afterwards.
/// Returns how many layers changed. Throws `[adopt_widths] …` naming the layer and both shapes; whether widths fit one
/// another shows in forward.
COPPICE_API std::int64_t adopt_widths(Module& module, const StateDict& state);

}  // namespace coppice::nn
