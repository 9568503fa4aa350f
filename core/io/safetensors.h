#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <string>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// What a safetensors file holds: tensors by name, and text by key.
struct COPPICE_API Safetensors {
  std::map<std::string, Tensor> tensors = {};
  std::map<std::string, std::string> metadata = {};
};

/// How Masked tensors are written.
///
/// - Dense: as any other tool expects them, with zeros where nothing is alive; the mask is not kept.
/// - Masked: everything that is in the WeightState of `name`, as entries `name.values` (over alive), `name.alive`,
///   and where they differ from what they are by default `name.trainable`, `name.stateful`, `name.awake`,
///   `name.dormant` with `name.dormant_values`, and `name.state.<key>` (over stateful) for the optimiser's vectors.
///   Vectors are in row-major order of the positions in their set. A set is U8: bit p % 8 of byte p / 8 for row-major
///   position p. The metadata `coppice.masked.<name>` says `shape 300 784 pattern free` (or `nm 2 4`, `block 4 1` …).
enum class MaskedView : std::uint8_t { Dense, Masked };

/// Writes a file that any safetensors reader accepts. The file appears complete or not at all. Throws
/// `[safetensors] file: …` for undefined tensors, names that collide, and text that is not UTF-8.
/// Format: https://github.com/huggingface/safetensors, F64 F32 F16 BF16 I64 I32 U8 BOOL.
COPPICE_API void save_safetensors(const std::filesystem::path& file, const Safetensors& content,
                                  MaskedView view = MaskedView::Dense);

/// Reads a file that need not be trusted: nothing in it is executed, memory stays proportional to its size, and
/// anything inconsistent throws `[safetensors] file: field expectation; got …`. A masked view gives Masked tensors
/// back with an identical WeightState.
COPPICE_API Safetensors load_safetensors(const std::filesystem::path& file);

}  // namespace coppice
