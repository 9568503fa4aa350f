#pragma once

#include <filesystem>

#include <coppice/trainers/checkpoint.h>

namespace coppice::train::cli {

/// A checkpoint file, or the newest in a training's directory; says on standard error which were passed over.
Checkpoint open_checkpoint(const std::filesystem::path& path);

}  // namespace coppice::train::cli
