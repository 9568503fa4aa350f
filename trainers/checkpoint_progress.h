#pragma once

#include <filesystem>
#include <map>
#include <string>

#include <coppice/core/tensor.h>
#include <coppice/trainers/loop.h>

namespace coppice::train::detail {

/// What of a training's progress depends on the training alone, as tensors.
std::map<std::string, Tensor> progress_tensors(const FitResult& progress);
/// The inverse; what was measured is 0. Throws `'progress.…' expects …`.
FitResult progress_from(std::map<std::string, Tensor> tensors);

/// Where the rest of it lies: seconds and bytes, which no two runs share.
std::filesystem::path measurements_file(const std::filesystem::path& checkpoint);
void save_measurements(const std::filesystem::path& checkpoint, const FitResult& progress);
/// False, with nothing changed, where the file is missing or of another training.
bool load_measurements(const std::filesystem::path& checkpoint, FitResult& progress);

}  // namespace coppice::train::detail
