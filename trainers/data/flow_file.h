#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::train {

/// Reads optical flow in Middlebury's format: float32 (2, h, w), in pixels to the right and down. Pixels whose flow is
/// not known hold values above 1e9 (Middlebury) or NaN, as the file has them.
///
/// The file need not be trusted: sizes must fit its bytes before memory is asked for, and nothing may be missing or
/// left over. Throws `[flo] file: …`. Format: https://vision.middlebury.edu/flow/code/flow-code/README.txt
COPPICE_API Tensor load_flo(const std::filesystem::path& file);
/// As load_flo, from the bytes of a file; `name` stands for it in messages.
COPPICE_API Tensor parse_flo(std::string_view bytes, const std::string& name);

/// Writes float32 flow (2, h, w). The file appears complete or not at all.
COPPICE_API void save_flo(const std::filesystem::path& file, const Tensor& flow);

}  // namespace coppice::train
