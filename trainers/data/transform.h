#pragma once

#include <array>
#include <cstdint>
#include <span>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {
class Generator;
}

namespace coppice::train {

/// A rectangle of pixels.
struct Region {
  std::int64_t top = 0;
  std::int64_t left = 0;
  std::int64_t height = 0;
  std::int64_t width = 0;

  friend bool operator==(const Region&, const Region&) = default;
};

/// Resizes an image u8 (c, h, w) to (c, height, width), bilinear with antialiasing: each output pixel is the mean of
/// its neighbourhood under a triangle as wide as two output pixels (or input pixels, when enlarging), first along rows,
/// then along columns, in Pillow's 22-bit fixed point and rounded after each. As torchvision's Resize on a PIL image.
COPPICE_API Tensor resize(const Tensor& image, std::int64_t height, std::int64_t width);

/// How a decoded image becomes one of a fixed size: a centre crop after a resize, or a random crop, resized.
struct ImageTransform {
  std::int64_t size = 224;                              ///< height and width that come out
  std::int64_t shorter_side = 256;                      ///< resized to this before the centre is taken
  bool random_crop = false;                             ///< instead: a random region, resized to `size`
  std::array<double, 2> area = {0.08, 1.0};             ///< of a random region, as a share of the image
  std::array<double, 2> aspect = {3.0 / 4.0, 4.0 / 3};  ///< width : height of a random region
  double flip = 0.0;                                    ///< probability of left for right
  std::int64_t channels = 3;                            ///< 3: grey replicated; 1: colour made grey
};

/// torchvision's usual pair: a random crop and a flip half of the time; and the centre of an image resized to 256/224
/// of the size.
COPPICE_API ImageTransform training_transform(std::int64_t size = 224, std::int64_t channels = 3);
COPPICE_API ImageTransform evaluation_transform(std::int64_t size = 224, std::int64_t channels = 3);

/// Throws `[ImageTransform] …` unless its fields make sense together.
COPPICE_API void check_transform(const ImageTransform& transform);

/// The region that a random crop takes from an image: up to ten draws of area and aspect, then the largest centred one
/// of an aspect in range.
/// Source: Szegedy et al., CVPR 2015, as torchvision's RandomResizedCrop.
COPPICE_API Region random_region(const ImageTransform& transform, std::int64_t height, std::int64_t width,
                                 Generator& generator);

/// Transforms an image u8 (1 or 3, h, w) into `pixels` (channels, size, size).
COPPICE_API void apply_transform(const ImageTransform& transform, const Tensor& image, Generator& generator,
                                 std::span<std::uint8_t> pixels);

}  // namespace coppice::train
