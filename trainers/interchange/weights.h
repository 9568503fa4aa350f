#pragma once

#include <cstddef>
#include <filesystem>

#include <coppice/core/export.h>
#include <coppice/core/io/pruned.h>

namespace coppice::train {

/// Writes the network of a checkpoint, or what another safetensors or torch.save file holds, for other frameworks:
/// every sparse weight as split_pruned gives it (core/io/pruned.h), the rest as it is. Of a checkpoint the optimiser
/// stays behind. `out` is written by torch.save's rules if it ends in .pth or .pt, as safetensors otherwise. Returns
/// how many tensors were written. Throws `[checkpoint] file: …` for a damaged one.
COPPICE_API std::size_t export_weights(const std::filesystem::path& file, const std::filesystem::path& out,
                                       PrunedView view);

}  // namespace coppice::train
