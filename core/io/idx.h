#pragma once

#include <filesystem>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// Reads an IDX file (the format of MNIST), plain or gzip-compressed: u8, i32, f32 or f64 of 1 to kMaxRank
/// dimensions. The file need not be trusted: its header must fit its size (or what gzip can make of it) before
/// memory is asked for, and nothing may be missing or left over. Throws `[idx] file: field expectation; got …`.
/// Format: http://yann.lecun.com/exdb/mnist
COPPICE_API Tensor load_idx(const std::filesystem::path& file);

/// Writes a dense tensor of such a dtype, uncompressed. The file appears complete or not at all.
COPPICE_API void save_idx(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace coppice
