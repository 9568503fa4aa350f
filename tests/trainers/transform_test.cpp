#include <coppice/trainers/data/transform.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <vector>

#include <coppice/core/generator.h>

#include "tests/error_of.h"

namespace coppice::train {
namespace {

Tensor noise(const Shape& shape, std::uint64_t seed) {
  Generator generator(seed);
  return Tensor::randint(0, 256, shape, generator, {.dtype = kUInt8});
}

/// The mean of all pixels under a two-dimensional triangle, unrounded: no passes, no fixed point.
double triangle_mean(const Tensor& image, std::int64_t c, double y, double x, double scale_y, double scale_x) {
  const double reach_y = std::max(scale_y, 1.0), reach_x = std::max(scale_x, 1.0);
  double sum = 0.0, weights = 0.0;
  for (std::int64_t i = 0; i < image.size(1); ++i)
    for (std::int64_t j = 0; j < image.size(2); ++j) {
      const double at_y = 1.0 - std::abs((static_cast<double>(i) + 0.5 - y) / reach_y);
      const double at_x = 1.0 - std::abs((static_cast<double>(j) + 0.5 - x) / reach_x);
      if (at_y <= 0.0 || at_x <= 0.0) continue;
      weights += at_y * at_x;
      sum += at_y * at_x * image.data<std::uint8_t>()[(c * image.size(1) + i) * image.size(2) + j];
    }
  return sum / weights;
}

TEST(Resize, MatchesTheDefinition) {
  struct Case {
    Shape from;
    std::int64_t height, width;
  };
  const Case cases[] = {{{1, 1, 1}, 3, 2},   {{3, 7, 9}, 7, 9},   {{3, 7, 9}, 14, 27}, {{2, 20, 31}, 7, 5},
                        {{1, 40, 3}, 11, 8}, {{3, 17, 64}, 1, 1}, {{1, 5, 90}, 6, 7}};
  for (const Case& c : cases) {
    const Tensor image = noise(c.from, 3);
    const Tensor resized = resize(image, c.height, c.width);
    ASSERT_EQ(resized.shape(), (Shape{c.from[0], c.height, c.width}));
    const double scale_y = static_cast<double>(c.from[1]) / static_cast<double>(c.height);
    const double scale_x = static_cast<double>(c.from[2]) / static_cast<double>(c.width);
    const std::uint8_t* pixel = resized.data<std::uint8_t>();
    for (std::int64_t k = 0; k < c.from[0]; ++k)
      for (std::int64_t y = 0; y < c.height; ++y)
        for (std::int64_t x = 0; x < c.width; ++x) {
          const double expected = triangle_mean(image, k, (static_cast<double>(y) + 0.5) * scale_y,
                                                (static_cast<double>(x) + 0.5) * scale_x, scale_y, scale_x);
          ASSERT_NEAR(*pixel++, expected, 1.01) << c.from << ' ' << y << ' ' << x;  // rounded twice
        }
  }
}

TEST(Resize, RoundsAsPillow) {
  const Tensor two = Tensor::of<std::uint8_t>({0, 255}, Shape{1, 1, 2});
  EXPECT_EQ(resize(two, 1, 4).to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 64, 191, 255}));
  EXPECT_EQ(resize(two, 1, 1).to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{128}));
  const Tensor image = noise({3, 9, 8}, 1);
  EXPECT_TRUE(bit_equal(resize(image, 9, 8), image));
  EXPECT_TRUE(bit_equal(resize(Tensor::full({1, 30, 40}, 255, {.dtype = kUInt8}), 13, 9),
                        Tensor::full({1, 13, 9}, 255, {.dtype = kUInt8})));
}

Tensor transformed(const ImageTransform& transform, const Tensor& image, Generator& generator) {
  const Tensor out = Tensor::empty({transform.channels, transform.size, transform.size}, {.dtype = kUInt8});
  apply_transform(transform, image, generator, {out.data<std::uint8_t>(), static_cast<std::size_t>(out.numel())});
  return out;
}

TEST(ImageTransform, TakesTheCentreOfTheResized) {
  Generator generator(1);
  // (height, width) → shorter side 12 → (height, width) of which the middle 9 × 9 stays, from (top, left).
  const std::int64_t cases[][6] = {
      {24, 30, 12, 15, 2, 3}, {40, 24, 20, 12, 6, 2}, {12, 12, 12, 12, 2, 2}, {5, 7, 12, 16, 2, 4}};
  for (const auto& [height, width, tall, wide, top, left] : cases) {
    const Tensor image = noise({3, height, width}, 2);
    const Tensor expected = resize(image, tall, wide).narrow(1, top, 9).narrow(2, left, 9).contiguous();
    EXPECT_TRUE(bit_equal(transformed({.size = 9, .shorter_side = 12}, image, generator), expected)) << height;
  }
}

TEST(ImageTransform, FlipsLeftAndRight) {
  Generator generator(1);
  const Tensor image = noise({3, 8, 8}, 2);
  const Tensor flipped = transformed({.size = 8, .shorter_side = 8, .flip = 1.0}, image, generator);
  for (std::int64_t x = 0; x < 8; ++x) {
    EXPECT_TRUE(bit_equal(flipped.select(2, x).contiguous(), image.select(2, 7 - x).contiguous())) << x;
  }
  int flips = 0;
  for (int i = 0; i < 200; ++i) {
    const Tensor some = transformed({.size = 8, .shorter_side = 8, .flip = 0.25}, image, generator);
    flips += bit_equal(some, flipped) ? 1 : 0;
    EXPECT_TRUE(bit_equal(some, flipped) || bit_equal(some, image));
  }
  EXPECT_NEAR(flips, 50, 25);
}

TEST(ImageTransform, ChangesChannels) {
  Generator generator(1);
  const Tensor grey = noise({1, 6, 6}, 2);
  const Tensor colour = transformed({.size = 6, .shorter_side = 6}, grey, generator);
  for (std::int64_t c = 0; c < 3; ++c) EXPECT_TRUE(bit_equal(colour.narrow(0, c, 1).contiguous(), grey));
  const Tensor primary = Tensor::of<std::uint8_t>({255, 0, 0, 100, 0, 255, 0, 100, 0, 0, 255, 100}, Shape{3, 2, 2});
  EXPECT_EQ(transformed({.size = 2, .shorter_side = 2, .channels = 1}, primary, generator).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{76, 150, 29, 100}));  // 0.299, 0.587, 0.114 of 255
}

TEST(ImageTransform, DrawsRegionsInRange) {
  const ImageTransform transform = training_transform(16);
  Generator generator(7);
  double least = 1.0, most = 0.0;
  std::set<std::int64_t> tops;
  for (int i = 0; i < 500; ++i) {
    const Region r = random_region(transform, 90, 120, generator);
    EXPECT_GE(r.top, 0);
    EXPECT_GE(r.left, 0);
    EXPECT_LE(r.top + r.height, 90);
    EXPECT_LE(r.left + r.width, 120);
    const double aspect = static_cast<double>(r.width) / static_cast<double>(r.height);
    EXPECT_GT(aspect, 0.75 * 0.95);
    EXPECT_LT(aspect, 1.0 / 0.75 * 1.05);
    const double area = static_cast<double>(r.width * r.height) / (90.0 * 120.0);
    least = std::min(least, area);
    most = std::max(most, area);
    tops.insert(r.top);
  }
  EXPECT_GT(least, 0.07);
  EXPECT_LT(least, 0.12);
  EXPECT_GT(most, 0.9);
  EXPECT_LT(most, 1.01);
  EXPECT_GT(tops.size(), 40U);
  // Nothing of that aspect and area fits: the largest in the middle.
  EXPECT_EQ(random_region({.area = {1.0, 1.0}}, 10, 100, generator), (Region{.left = 44, .height = 10, .width = 13}));
  EXPECT_EQ(random_region({.area = {1.0, 1.0}}, 100, 10, generator), (Region{.top = 44, .height = 13, .width = 10}));
}

TEST(ImageTransform, ResizesTheRegionItDrew) {
  ImageTransform transform = training_transform(10);
  transform.flip = 0.0;
  const Tensor image = noise({3, 30, 50}, 4);
  Generator generator(9);
  Generator same(9);
  for (int i = 0; i < 5; ++i) {
    const Region r = random_region(transform, 30, 50, same);
    const Tensor cropped = image.narrow(1, r.top, r.height).narrow(2, r.left, r.width).contiguous();
    EXPECT_TRUE(bit_equal(transformed(transform, image, generator), resize(cropped, 10, 10))) << i;
  }
}

TEST(ImageTransform, RefusesWhatMakesNoSense) {
  EXPECT_EQ(error_of([] { check_transform({.size = 300}); }),
            "[ImageTransform] expects 0 < size <= shorter_side; got size 300, shorter_side 256");
  EXPECT_NE(error_of([] { check_transform({.area = {0.5, 0.4}}); }), "");
  EXPECT_NE(error_of([] { check_transform({.aspect = {0.0, 1.0}}); }), "");
  EXPECT_NE(error_of([] { check_transform({.flip = 2.0}); }), "");
  EXPECT_NE(error_of([] { check_transform({.channels = 2}); }), "");
  EXPECT_NE(error_of([] { resize(Tensor::zeros({1, 2, 2}), 1, 1); }), "");
  EXPECT_NE(error_of([] { resize(Tensor::zeros({1, 2, 2}, {.dtype = kUInt8}), 0, 1); }), "");
}

}  // namespace
}  // namespace coppice::train
