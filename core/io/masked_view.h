#pragma once

#include <filesystem>
#include <string>

#include <coppice/core/io/safetensors.h>
#include <coppice/core/mask.h>

namespace coppice::detail {

/// A mask as a file holds it: u8, bit p % 8 of byte p / 8 for row-major position p.
Tensor bits_of(const Mask& mask);
/// The inverse, for a shape known otherwise. Throws `'entry' expects …`.
Mask mask_of_bits(const Tensor& bits, const Shape& shape, const std::string& entry);

/// As load_safetensors, but the entries of a masked view stay apart.
COPPICE_API Safetensors load_parts(const std::filesystem::path& file);

/// `content` with every Masked tensor replaced by the entries of its masked view (core/io/safetensors.h).
COPPICE_API Safetensors split_masked(const Safetensors& content, const std::string& file);
/// The inverse: Masked tensors made of the entries that the metadata names; checks everything they say.
COPPICE_API Safetensors join_masked(Safetensors content, const std::string& file);

}  // namespace coppice::detail
