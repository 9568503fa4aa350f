#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <span>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::train {

/// What an image may ask for. Sizes are checked before memory is asked for, also against what the compressed bytes can
/// hold at all.
struct ImageLimits {
  std::int64_t max_pixels = std::int64_t{1} << 26;  ///< height · width
};

/// Decodes a PNG: u8 (c, h, w), c = 1 for grey and 3 for colour. Palettes and fewer than 8 bits are expanded, 16 bits
/// are scaled to 8, transparency is dropped, and what gAMA or ICC chunks say of the colours is not applied.
///
/// The bytes need not be trusted. Throws `[png] file: …` for what is not a whole PNG or larger than the limits; `file`
/// is a name for messages.
COPPICE_API Tensor decode_png(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits = {});

/// Decodes a JPEG, baseline or progressive, Huffman-coded, 8 bits: u8 (c, h, w), c = 1 for grey and 3 for colour; CMYK
/// and YCCK become RGB as the product of ink and black. Orientation tags and ICC profiles are not applied.
///
/// The bytes need not be trusted. Throws `[jpeg] file: …` for what is not a JPEG, is truncated or damaged, larger than
/// the limits or has more than 100 scans.
COPPICE_API Tensor decode_jpeg(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits = {});

/// Reads a PNG or JPEG file; its first bytes, not its name, say which.
COPPICE_API Tensor read_image(const std::filesystem::path& file, ImageLimits limits = {});

/// The PNG of a u8 image (h, w) or (c, h, w), c = 1 grey, 2 grey and alpha, 3 RGB or 4 RGB and alpha.
COPPICE_API std::vector<std::byte> encode_png(const Tensor& image);

/// Writes that PNG. The file appears complete or not at all.
COPPICE_API void write_png(const std::filesystem::path& file, const Tensor& image);

}  // namespace coppice::train
