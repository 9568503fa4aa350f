#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/trainers/data/image.h>

namespace coppice::train::detail {

/// Throws `[codec] file: …` unless an image of that size is within the limits.
void check_image_size(const char* codec, const std::string& file, std::int64_t height, std::int64_t width,
                      ImageLimits limits);

/// The planes (c, h, w) of rows of pixels of `channels` bytes each.
Tensor planes(const std::vector<std::uint8_t>& interleaved, std::int64_t channels, std::int64_t height,
              std::int64_t width);

}  // namespace coppice::train::detail
