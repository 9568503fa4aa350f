#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::train {

/// One tensor of a file.
struct InspectedTensor {
  std::string name{};
  /// `dense`, `masked` (the masked view), or `pair` (a weight and its mask, core/io/pruned.h).
  std::string layout{};
  std::string dtype{};
  Shape shape{};
  std::int64_t alive = 0;             ///< of a dense tensor, what is not 0
  std::int64_t stored = 0;            ///< values in memory
  std::int64_t dormant = 0;           ///< values kept asleep
  std::vector<std::string> states{};  ///< optimiser vectors it carries
  std::int64_t file_bytes = 0;
  std::int64_t memory_bytes = 0;  ///< once loaded: values, masks, optimiser state
  Tensor tensor{};

  std::int64_t numel() const { return shape.numel(); }
  double density() const { return numel() == 0 ? 1.0 : static_cast<double>(alive) / static_cast<double>(numel()); }
};

/// What a file holds.
struct Inspection {
  std::string file{};
  std::string format{};  ///< `safetensors`, `npy`, `idx` or `results`
  std::int64_t bytes = 0;
  std::vector<InspectedTensor> tensors{};
  std::vector<std::pair<std::string, std::string>> metadata{};
  std::vector<std::string> notes{};  ///< what a reader of the table should know
};

/// Reads a safetensors file (with dense weights, the masked view, pairs of weights and masks, or a checkpoint, of which
/// the network is shown), a NumPy array, an IDX file or a results.json; its first bytes, not its name, say which.
/// Throws
/// `[…] file: …` for others and damaged ones.
COPPICE_API Inspection inspect(const std::filesystem::path& file);

/// A table for a terminal.
COPPICE_API std::string to_text(const Inspection& inspection);
/// The same as JSON.
COPPICE_API std::string to_json(const Inspection& inspection);

/// The masks of all sparse matrices (dimension 0 down, all others across) one below the other: u8 (h, w), black where
/// everything is alive, white where nothing is. Dense tensors with zeros count only where nothing has a mask. Large
/// ones are averaged, small ones enlarged. Throws
/// `[inspect] file: …` when there is none.
COPPICE_API Tensor mask_picture(const Inspection& inspection);
/// The same in characters, at most `columns` wide, each mask below its name.
COPPICE_API std::string mask_text(const Inspection& inspection, int columns = 64);

}  // namespace coppice::train
