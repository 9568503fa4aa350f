#pragma once

#include <filesystem>
#include <string>
#include <string_view>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// Reads a NumPy array file: format 1.0 to 3.0, C order, little-endian b1 u1 i4 i8 f2 f4 f8 of at most kMaxRank
/// dimensions. The file need not be trusted: its header is bounded and must fit its size before memory is asked for,
/// nothing in it is evaluated, and nothing may be missing or left over. Throws `[npy] file: field expectation; got …`.
/// Format: https://numpy.org/doc/stable/reference/generated/numpy.lib.format.html
COPPICE_API Tensor load_npy(const std::filesystem::path& file);
/// As load_npy, from the bytes of a file; `name` stands for it in messages.
COPPICE_API Tensor parse_npy(std::string_view bytes, const std::string& name);

/// Writes a tensor of such a dtype (a Masked one as dense) in format 1.0, as numpy.save does. The file appears complete
/// or not at all.
COPPICE_API void save_npy(const std::filesystem::path& file, const Tensor& tensor);

}  // namespace coppice
