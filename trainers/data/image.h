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

/// The samples of a PNG of 16 bits as they are stored: int32 (c, h, w) from 0 to 65535, c from 1 to 4 with transparency
/// (depth and flow of KITTI, say). Throws `[png] file: …` as decode_png, and for one of fewer bits.
COPPICE_API Tensor decode_png_16(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits = {});

/// Decodes a PGM or PPM, plain or raw (P2, P3, P5, P6): u8 (c, h, w), c = 1 for grey and 3 for colour, the largest
/// value that the file names becoming 255. The bytes need not be trusted. Throws `[pnm] file: …`. Format:
/// https://netpbm.sourceforge.net/doc/pgm.html, https://netpbm.sourceforge.net/doc/ppm.html
COPPICE_API Tensor decode_pnm(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits = {});
/// The samples as they are stored: int32 (c, h, w) from 0 to at most 65535.
COPPICE_API Tensor decode_pnm_16(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits = {});

/// Reads a PNG, JPEG, PGM or PPM file to u8 (c, h, w); its first bytes, not its name, say which.
COPPICE_API Tensor read_image(const std::filesystem::path& file, ImageLimits limits = {});

/// The samples as they are stored (int32) of a PNG of 16 bits, PGM or PPM file.
COPPICE_API Tensor read_image_16(const std::filesystem::path& file, ImageLimits limits = {});

/// The PNG of an image (h, w) or (c, h, w), c = 1 grey, 2 grey and alpha, 3 RGB or 4 RGB and alpha: of 8 bits for u8,
/// of 16 for int32 from 0 to 65535.
COPPICE_API std::vector<std::byte> encode_png(const Tensor& image);

/// Writes that PNG. The file appears complete or not at all.
COPPICE_API void write_png(const std::filesystem::path& file, const Tensor& image);

/// The raw PGM or PPM of an image (h, w), (1, h, w) or (3, h, w): of 8 bits for u8, of 16 for int32 from 0 to 65535.
COPPICE_API std::vector<std::byte> encode_pnm(const Tensor& image);

/// Writes that PGM or PPM. The file appears complete or not at all.
COPPICE_API void write_pnm(const std::filesystem::path& file, const Tensor& image);

}  // namespace coppice::train
