#pragma once

#include <cstddef>
#include <filesystem>
#include <string>

#include <coppice/core/export.h>

namespace coppice::train {

/// SHA-256 of bytes, 64 lower-case hexadecimal digits.
COPPICE_API std::string sha256(const void* data, std::size_t bytes);
/// SHA-256 of a file as it lies on disk. Throws when it cannot be read.
COPPICE_API std::string sha256_file(const std::filesystem::path& path);

}  // namespace coppice::train
