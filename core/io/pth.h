#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// What a file of torch.save holds. Nested dictionaries and lists are joined by dots: the entry `weight` of the
/// dictionary `state_dict` is `state_dict.weight`, the third of a list `losses` is `losses.2`.
struct COPPICE_API Pth {
  std::map<std::string, Tensor> tensors = {};
  /// Numbers, text, booleans (`true`, `false`) and None (`none`).
  std::map<std::string, std::string> values = {};
};

/// Reads state dicts and checkpoints (`.pth`, `.pt`) of PyTorch: zip archives, and the format before version 1.6.
///
/// The file need not be trusted: nothing in it is executed. A file that holds anything but tensors, numbers, text,
/// lists and dictionaries, such as a whole module, is refused by an error that names the class. Memory stays
/// proportional to the size of the file. Tensors that share memory in the file share it here; all are on the CPU.
/// Throws `[pth] file: …`, or `[zip] file: …` for a damaged archive.
/// Format: https://docs.python.org/3/library/pickle.html, and torch/serialization.py
COPPICE_API Pth load_pth(const std::filesystem::path& file);

/// Whether a file begins as torch.save's do: as a zip archive or with a pickle. False where it cannot be read.
COPPICE_API bool is_pth(const std::filesystem::path& file);

/// Writes a state dict that `torch.load(file, weights_only=True)` reads, of at most 4 GiB; Masked tensors as dense ones
/// with zeros. The file appears complete or not at all. Throws `[pth] file: …`.
COPPICE_API void save_pth(const std::filesystem::path& file, const std::map<std::string, Tensor>& tensors);

}  // namespace coppice
