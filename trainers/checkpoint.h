#pragma once

#include <cstdint>
#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/trainers/loop.h>

namespace coppice::train {

/// What is trained, as fit() takes it.
struct Trainee {
  nn::Module& model;
  optim::Optimizer& optimizer;
  sparsity::MaskController* controller = nullptr;
};

/// A training between two steps, read from a file and verified. docs/checkpoints.md describes the file.
struct Checkpoint {
  static constexpr int kSchemaVersion = 1;

  std::filesystem::path file{};
  /// Text the caller saved with it: the resolved recipe and what else describes the training.
  std::map<std::string, std::string> metadata{};
  FitResult progress{};
  /// Whether seconds and bytes of `progress` were found; they lie beside the checkpoint and are 0 otherwise.
  bool measured = false;
  /// `model.<name>`, `optimizer.<index>.<name>`, `controller.<entry>`.
  std::map<std::string, Tensor> tensors{};
};

/// The newest checkpoint of a folder that can be read.
struct LatestCheckpoint {
  std::optional<Checkpoint> checkpoint{};  ///< empty: there is none
  std::vector<std::string> warnings{};     ///< one for each newer file that was passed over, with the reason
};

/// Writes everything `trainee` and `progress` hold to `<folder>/step-<steps>.safetensors`, complete or not at all, then
/// removes the oldest checkpoints but `keep`. The file depends on the training alone, not on times or where it paused:
/// those go to `step-<steps>.json` beside it. Returns the file. Throws `[AtomicFile] …` when the system refuses; the
/// earlier checkpoints are then as they were.
COPPICE_API std::filesystem::path save_checkpoint(const std::filesystem::path& folder, const Trainee& trainee,
                                                  const FitResult& progress,
                                                  const std::map<std::string, std::string>& metadata, int keep = 3);

/// Reads a checkpoint that need not be trusted. Throws `[safetensors] …` or `[checkpoint] file: …` when it is cut off,
/// damaged in any bit, no checkpoint, or of a newer schema.
COPPICE_API Checkpoint load_checkpoint(const std::filesystem::path& file);

/// The checkpoint of most steps in `folder` that load_checkpoint reads. A folder that does not exist holds none.
COPPICE_API LatestCheckpoint latest_checkpoint(const std::filesystem::path& folder);

/// Puts the trainee where it was. It must have been built alike: same parameters, the same of them Masked, same
/// optimiser, same policy. Throws `[checkpoint] file: …` naming what does not fit, and then changes nothing.
COPPICE_API void restore(const Checkpoint& checkpoint, const Trainee& trainee);
/// Of the network alone, to evaluate it: its weights become Masked where the checkpoint's are. What was awake in the
/// middle of an exploration is alive.
COPPICE_API void restore(const Checkpoint& checkpoint, nn::Module& model);

}  // namespace coppice::train
