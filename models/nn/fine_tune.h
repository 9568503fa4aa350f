#pragma once

#include <cstdint>
#include <iosfwd>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/models/nn/module.h>

/// What turns a trained network into the start of another training (docs/finetuning.md).
namespace coppice::nn {

/// What load_matching did, by name.
struct LoadReport {
  std::vector<std::string> loaded{};
  std::vector<std::string> missing{};     ///< parameters and buffers the state does not have; they are unchanged
  std::vector<std::string> unexpected{};  ///< tensors the module has no place for
  std::vector<std::string> mismatched{};  ///< of another shape; unchanged
};

/// `62 loaded; missing fc.bias; unexpected …`, what is empty left out.
COPPICE_API std::ostream& operator<<(std::ostream& out, const LoadReport& report);

/// Loads whatever fits by name and shape, as load_masked_state_dict does: a weight that is Masked in `state` becomes
/// so in the module. Make optimisers afterwards.
COPPICE_API LoadReport load_matching(Module& module, const StateDict& state);

/// Makes every dense weight that pruning may touch and that has zeros Masked, alive where it is not 0: for pruned
/// networks whose file holds no masks. Returns how many weights are dead now. Make optimisers afterwards.
COPPICE_API std::int64_t prune_zeros(Module& module);

/// Replaces the last Linear layer by a new, dense one with `classes` outputs, drawn by PyTorch's default from `seed`.
/// Returns its name. Throws `[replace_head] …` when there is no Linear layer.
COPPICE_API std::string replace_head(Module& module, std::int64_t classes, std::uint64_t seed = 0);

/// Stops the training of all parameters below the module of that dotted name (`layer1` is not `layer10`; empty:
/// everything) and holds its batch norms at their running statistics, whatever train() says. Gradients are dropped;
/// optimisers skip what has none. Returns how many elements are frozen. Throws `[freeze] …` when no parameter has
/// that name.
COPPICE_API std::int64_t freeze(Module& module, std::string_view name);
/// The inverse.
COPPICE_API std::int64_t unfreeze(Module& module, std::string_view name);

}  // namespace coppice::nn
