#include <coppice/trainers/data/padded_crop.h>

#include <gtest/gtest.h>

#include <set>

#include <coppice/core/generator.h>

#include "tests/error_of.h"

namespace coppice::train {
namespace {

using Pixels = std::vector<std::uint8_t>;

/// One image of `channels` planes of height × width, no two pixels alike and none black.
std::shared_ptr<const ExampleSource> one_image(std::int64_t channels, std::int64_t height, std::int64_t width) {
  const Tensor images = Tensor::empty({1, channels, height, width}, {.dtype = kUInt8});
  for (std::int64_t i = 0; i < images.numel(); ++i) images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(i + 1);
  return in_memory({.name = "one", .classes = 3, .images = images, .labels = Tensor::full({1}, 2, {.dtype = kUInt8})});
}

/// The window of the padded image at (top, left), pixel by pixel.
Pixels window(const ExampleSource& source, std::int64_t padding, std::int64_t top, std::int64_t left, bool mirrored) {
  const Shape shape = source.image_shape();
  Generator unused(0);
  Pixels image(static_cast<std::size_t>(shape.numel()));
  source.load(0, unused, image);
  Pixels result;
  for (std::int64_t c = 0; c < shape[0]; ++c)
    for (std::int64_t y = 0; y < shape[1]; ++y)
      for (std::int64_t x = 0; x < shape[2]; ++x) {
        const std::int64_t row = y + top - padding;
        const std::int64_t column = (mirrored ? shape[2] - 1 - x : x) + left - padding;
        const bool inside = row >= 0 && row < shape[1] && column >= 0 && column < shape[2];
        result.push_back(inside ? image[static_cast<std::size_t>((c * shape[1] + row) * shape[2] + column)] : 0);
      }
  return result;
}

TEST(PaddedCrop, TakesEveryWindowAndItsMirrorAlike) {
  struct Case {
    std::int64_t channels, height, width, padding;
  };
  for (const Case& c : {Case{3, 5, 6, 2}, Case{1, 2, 3, 4}, Case{2, 4, 4, 0}, Case{1, 1, 1, 1}}) {
    const auto source = one_image(c.channels, c.height, c.width);
    const auto crops = augmented(source, {.padding = c.padding});
    const std::int64_t places = 2 * c.padding + 1;
    std::set<Pixels> possible;
    for (std::int64_t top = 0; top < places; ++top)
      for (std::int64_t left = 0; left < places; ++left)
        for (const bool mirrored : {false, true}) {
          possible.insert(window(*source, c.padding, top, left, mirrored));
        }
    std::set<Pixels> seen;
    Generator generator(3);
    for (int draw = 0; draw < 2000; ++draw) {
      Pixels pixels(static_cast<std::size_t>(crops->image_shape().numel()));
      crops->load(0, generator, pixels);
      seen.insert(pixels);
    }
    EXPECT_EQ(seen, possible) << c.height << ' ' << c.padding;
  }
}

TEST(PaddedCrop, IsTheSourceOtherwise) {
  const auto source = one_image(3, 4, 4);
  const auto crops = augmented(source, {.padding = 0, .flip = 0.0});
  EXPECT_EQ(crops->name(), "one");
  EXPECT_EQ(crops->size(), 1);
  EXPECT_EQ(crops->classes(), 3);
  EXPECT_EQ(crops->label(0), 2);
  Generator generator(1);
  Pixels pixels(48);
  crops->load(0, generator, pixels);
  EXPECT_EQ(pixels, window(*source, 0, 0, 0, false));
  expect_error([&] { augmented(source, {.padding = -1}); },
               "[PaddedCrop] expects a padding of 0 or more and flip in [0, 1]; got -1 and 0.5");
}

}  // namespace
}  // namespace coppice::train
