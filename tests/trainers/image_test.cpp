#include <coppice/trainers/data/image.h>

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <coppice/core/generator.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"
#include "tests/trainers/image_files.h"

namespace coppice::train {
namespace {

constexpr std::uint32_t kHeight = 24;
constexpr std::uint32_t kWidth = 40;

/// A smooth picture, which JPEG keeps closely: channel c at (y, x).
std::uint8_t smooth(std::int64_t c, std::int64_t y, std::int64_t x) {
  return static_cast<std::uint8_t>(40 + 3 * x + (c == 1 ? 2 * y : 0) - (c == 2 ? 2 * x : 0));
}

std::vector<std::uint8_t> smooth_pixels(std::int64_t channels) {
  std::vector<std::uint8_t> pixels;
  for (std::int64_t y = 0; y < kHeight; ++y)
    for (std::int64_t x = 0; x < kWidth; ++x)
      for (std::int64_t c = 0; c < channels; ++c) pixels.push_back(smooth(c, y, x));
  return pixels;
}

/// The largest difference of a decoded image from value(c, y, x).
template <class Value>
int worst(const Tensor& image, Value&& value) {
  int most = 0;
  const std::uint8_t* pixel = image.data<std::uint8_t>();
  for (std::int64_t c = 0; c < image.size(0); ++c)
    for (std::int64_t y = 0; y < image.size(1); ++y)
      for (std::int64_t x = 0; x < image.size(2); ++x) most = std::max(most, std::abs(*pixel++ - value(c, y, x)));
  return most;
}

std::string png_error(std::span<const std::byte> bytes, ImageLimits limits = {}) {
  return error_of([&] { decode_png(bytes, "a.png", limits); });
}
std::string jpeg_error(std::span<const std::byte> bytes, ImageLimits limits = {}) {
  return error_of([&] { decode_jpeg(bytes, "a.jpg", limits); });
}

TEST(Png, ReadsWhatItWrites) {
  Generator generator(1);
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{1, 5, 7}, Shape{3, 4, 9}, Shape{3, 33, 2}}) {
    const Tensor image = Tensor::randint(0, 256, shape, generator, {.dtype = kUInt8});
    EXPECT_TRUE(bit_equal(decode_png(encode_png(image), "a.png"), image)) << shape;
  }
  const Tensor grey = Tensor::randint(0, 256, {6, 3}, generator, {.dtype = kUInt8});
  EXPECT_TRUE(bit_equal(decode_png(encode_png(grey), "a.png"), grey.view({1, 6, 3})));
  const Tensor turned = grey.permute({1, 0});
  EXPECT_TRUE(bit_equal(decode_png(encode_png(turned), "a.png"), turned.contiguous().view({1, 3, 6})));
}

TEST(Png, DropsTransparency) {
  Generator generator(2);
  for (const std::int64_t channels : {2, 4}) {
    const Tensor image = Tensor::randint(0, 256, {channels, 4, 5}, generator, {.dtype = kUInt8});
    const Tensor back = decode_png(encode_png(image), "a.png");
    EXPECT_TRUE(bit_equal(back, image.slice(0, 0, channels - 1).contiguous())) << channels;
  }
}

TEST(Png, ExpandsFewBits) {
  for (const int bits : {1, 2, 4}) {
    const Tensor image = decode_png(
        make_png({{0b10010011}}, static_cast<std::uint32_t>(8 / bits), {.bits = bits, .colour = PNG_COLOR_TYPE_GRAY}),
        "a.png");
    ASSERT_EQ(image.shape(), (Shape{1, 1, 8 / bits}));
    const int most = (1 << bits) - 1;
    EXPECT_EQ(
        worst(image, [&](auto, auto, auto x) { return (0b10010011 >> (8 - bits - x * bits) & most) * 255 / most; }), 0);
  }
}

TEST(Png, ScalesSixteenBits) {
  const Tensor image = decode_png(
      make_png({{0x00, 0x00, 0x00, 0xFF, 0x80, 0x00, 0xFF, 0xFF}}, 4, {.bits = 16, .colour = PNG_COLOR_TYPE_GRAY}),
      "a");
  EXPECT_EQ(image.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 1, 128, 255}));  // 257 levels a level
}

TEST(Png, LooksUpPalettes) {
  const PngKind kind{
      .bits = 8, .colour = PNG_COLOR_TYPE_PALETTE, .palette = {{10, 20, 30}, {40, 50, 60}}, .transparency = {0, 200}};
  const Tensor image = decode_png(make_png({{1, 0, 1}}, 3, kind), "a.png");
  EXPECT_EQ(image.shape(), (Shape{3, 1, 3}));
  EXPECT_EQ(image.to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{40, 10, 40, 50, 20, 50, 60, 30, 60}));
}

TEST(Png, ReadsInterlacedImages) {
  std::vector<std::vector<std::uint8_t>> rows(kHeight);
  const std::vector<std::uint8_t> pixels = smooth_pixels(3);
  for (std::size_t y = 0; y < kHeight; ++y) {
    rows[y].assign(pixels.begin() + static_cast<std::ptrdiff_t>(y * kWidth * 3),
                   pixels.begin() + static_cast<std::ptrdiff_t>((y + 1) * kWidth * 3));
  }
  const Tensor image = decode_png(make_png(rows, kWidth, {.interlace = PNG_INTERLACE_ADAM7}), "a.png");
  EXPECT_EQ(worst(image, smooth), 0);
}

TEST(Png, RefusesWhatIsBroken) {
  const Bytes bytes = encode_png(Tensor::full({1, 16, 16}, 7, {.dtype = kUInt8}));
  EXPECT_EQ(png_error({}), "[png] a.png: expects more bytes; the file ends here");
  for (std::size_t size = 0; size < bytes.size(); ++size) {
    EXPECT_NE(png_error(std::span(bytes).first(size)), "") << size;
  }
  Bytes other = bytes;
  other[0] = std::byte{'x'};
  EXPECT_EQ(png_error(other), "[png] a.png: Not a PNG file");
  other = bytes;
  other[29] ^= std::byte{1};  // of IHDR's checksum
  EXPECT_EQ(png_error(other), "[png] a.png: IHDR: CRC error");
}

TEST(Png, LimitsPixels) {
  const Bytes bytes = encode_png(Tensor::zeros({1, 10, 11}, {.dtype = kUInt8}));
  EXPECT_EQ(png_error(bytes, {.max_pixels = 110}), "");
  EXPECT_EQ(png_error(bytes, {.max_pixels = 109}),
            "[png] a.png: expects 1 to 109 pixels; got 10 x 11; ImageLimits::max_pixels says how many are read");
}

/// The header of a PNG and nothing after it.
Bytes png_header(std::uint32_t width, std::uint32_t height) {
  std::string text("\x89PNG\r\n\x1A\n\0\0\0\rIHDR", 16);
  const auto number = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) text += static_cast<char>(value >> shift & 255U);
  };
  number(width);
  number(height);
  text += std::string("\x08\x02\0\0\0", 5);
  std::uint32_t crc = ~std::uint32_t{0};
  for (std::size_t i = 12; i < text.size(); ++i) {
    crc ^= static_cast<std::uint8_t>(text[i]);
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ ((crc & 1U) != 0 ? 0xEDB88320U : 0U);
  }
  number(~crc);
  text += std::string("\0\0\0\0IDAT\x35\xAF\x06\x1E", 12);
  const auto* begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

TEST(Png, AsksForNoMoreMemoryThanTheFileCanFill) {
  const std::string huge = png_error(png_header(1000000, 1000000));
  EXPECT_NE(huge.find("pixels; got 1000000 x 1000000"), std::string::npos) << huge;
  const std::string large = png_error(png_header(8000, 8000));  // within the limit
  EXPECT_EQ(large, "[png] a.png: 8000 x 8000 expects 192000000 bytes of pixels; 45 compressed bytes cannot hold them");
}

TEST(Png, WritesOnlyImages) {
  EXPECT_EQ(error_of([] {
              encode_png(Tensor::zeros({2, 2}));
            }),
            "[encode_png] expects uint8 or int32 (h, w) or (c, h, w); got float32 (2, 2)");
  EXPECT_EQ(error_of([] {
              encode_png(Tensor::zeros({5, 2, 2}, {.dtype = kUInt8}));
            }),
            "[encode_png] expects 1 to 4 channels of 1 to 2^28 pixels; got (5, 2, 2)");
}

TEST(Jpeg, ReadsColourAndGrey) {
  for (const bool progressive : {false, true}) {
    const Tensor colour =
        decode_jpeg(make_jpeg(smooth_pixels(3), kHeight, kWidth, {.progressive = progressive}), "a.jpg");
    EXPECT_EQ(colour.shape(), (Shape{3, kHeight, kWidth}));
    EXPECT_LE(worst(colour, smooth), 8) << progressive;  // colour is stored at half the resolution
    const Tensor grey =
        decode_jpeg(make_jpeg(smooth_pixels(1), kHeight, kWidth,
                              {.input = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .progressive = progressive}),
                    "a.jpg");
    EXPECT_EQ(grey.shape(), (Shape{1, kHeight, kWidth}));
    EXPECT_LE(worst(grey, smooth), 2) << progressive;
  }
}

TEST(Jpeg, TurnsInkToLight) {
  // Without ink but half of cyan and, in the right half, half of black.
  for (const bool adobe : {false, true}) {
    for (const J_COLOR_SPACE stored : {JCS_CMYK, JCS_YCCK}) {
      if (stored == JCS_YCCK && !adobe) continue;  // nothing says it is not CMYK
      std::vector<std::uint8_t> pixels;
      for (std::size_t p = 0; p < 16 * 16; ++p) {
        for (const int ink : {128, 0, 0, p % 16 < 8 ? 0 : 128}) {
          pixels.push_back(static_cast<std::uint8_t>(adobe ? 255 - ink : ink));
        }
      }
      const Tensor image =
          decode_jpeg(make_jpeg(pixels, 16, 16, {.input = JCS_CMYK, .stored = stored, .adobe = adobe}), "a.jpg");
      ASSERT_EQ(image.shape(), (Shape{3, 16, 16}));
      const int off = worst(
          image, [](std::int64_t c, auto, std::int64_t x) { return (c == 0 ? 127 : 255) * (x < 8 ? 255 : 127) / 255; });
      EXPECT_LE(off, 4) << adobe << ' ' << stored;
    }
  }
}

TEST(Jpeg, RefusesWhatIsBroken) {
  EXPECT_EQ(jpeg_error({}), "[jpeg] a.jpg: expects a JPEG; got no bytes");
  for (const bool progressive : {false, true}) {
    const Bytes bytes = make_jpeg(smooth_pixels(3), kHeight, kWidth, {.progressive = progressive});
    EXPECT_EQ(jpeg_error(bytes), "");
    // All but the end marker's two bytes are needed.
    for (std::size_t size = 1; size + 4 < bytes.size(); ++size) {
      EXPECT_NE(jpeg_error(std::span(bytes).first(size)), "") << size << ' ' << progressive;
    }
  }
  Bytes other = make_jpeg(smooth_pixels(3), kHeight, kWidth, {});
  EXPECT_EQ(jpeg_error(std::span(other).first(other.size() / 2)), "[jpeg] a.jpg: Premature end of JPEG file");
  other[0] = std::byte{'x'};
  EXPECT_EQ(jpeg_error(other), "[jpeg] a.jpg: Not a JPEG file: starts with 0x78 0xd8");
}

/// The bytes with what a baseline frame header says of the size replaced.
Bytes with_size(Bytes bytes, std::uint32_t height, std::uint32_t width) {
  for (std::size_t i = 0; i + 9 < bytes.size(); ++i) {
    if (bytes[i] != std::byte{0xFF} || bytes[i + 1] != std::byte{0xC0}) continue;
    bytes[i + 5] = static_cast<std::byte>(height >> 8);
    bytes[i + 6] = static_cast<std::byte>(height);
    bytes[i + 7] = static_cast<std::byte>(width >> 8);
    bytes[i + 8] = static_cast<std::byte>(width);
    return bytes;
  }
  ADD_FAILURE() << "no frame header";
  return bytes;
}

TEST(Jpeg, AsksForNoMoreMemoryThanTheFileCanFill) {
  const Bytes bytes = make_jpeg(smooth_pixels(3), kHeight, kWidth, {});
  EXPECT_EQ(jpeg_error(with_size(bytes, 65000, 65000)),
            "[jpeg] a.jpg: expects 1 to 67108864 pixels; got 65000 x 65000; ImageLimits::max_pixels says how many are "
            "read");
  const std::string large = jpeg_error(with_size(bytes, 8000, 8000));
  EXPECT_NE(large.find("8000 x 8000 pixels expected; "), std::string::npos) << large;
  EXPECT_EQ(jpeg_error(bytes, {.max_pixels = kHeight * kWidth}), "");
  EXPECT_NE(jpeg_error(bytes, {.max_pixels = kHeight * kWidth - 1}), "");
}

TEST(Jpeg, LimitsScans) {
  // The last scan, all but the mean of every block, sent again and again.
  const Bytes bytes = make_jpeg(
      smooth_pixels(1), kHeight, kWidth,
      {.input = JCS_GRAYSCALE, .stored = JCS_GRAYSCALE, .scans = {{1, {0}, 0, 0, 0, 0}, {1, {0}, 1, 63, 0, 0}}});
  std::size_t last = 0;
  for (std::size_t i = 0; i + 1 < bytes.size(); ++i) {
    if (bytes[i] == std::byte{0xFF} && bytes[i + 1] == std::byte{0xDA}) last = i;
  }
  const auto repeated = [&](int times) {
    Bytes many(bytes.begin(), bytes.end() - 2);
    const Bytes scan(many.begin() + static_cast<std::ptrdiff_t>(last), many.end());
    for (int i = 1; i < times; ++i) many.insert(many.end(), scan.begin(), scan.end());
    many.insert(many.end(), bytes.end() - 2, bytes.end());
    return many;
  };
  EXPECT_EQ(jpeg_error(repeated(99)), "");
  EXPECT_EQ(jpeg_error(repeated(102)), "[jpeg] a.jpg: expects at most 100 scans; got more");
}

TEST(ReadImage, GoesByTheFirstBytes) {
  const TemporaryFolder folder;
  const Tensor image = Tensor::full({3, 4, 5}, 9, {.dtype = kUInt8});
  write_png(folder / "a.jpg", image);  // a wrong name
  EXPECT_TRUE(bit_equal(read_image(folder / "a.jpg"), image));
  const Bytes jpeg = make_jpeg(smooth_pixels(3), kHeight, kWidth, {});
  write_bytes(folder / "b", {reinterpret_cast<const char*>(jpeg.data()), jpeg.size()});
  EXPECT_TRUE(bit_equal(read_image(folder / "b"), decode_jpeg(jpeg, "b")));
  write_bytes(folder / "c.png", "GIF89a");
  EXPECT_EQ(error_of([&] { read_image(folder / "c.png"); }),
            "[read_image] " + (folder / "c.png").string() +
                ": expects a PNG, JPEG, PGM or PPM; its first bytes are those of none");
  EXPECT_EQ(error_of([&] { read_image(folder / "d.png"); }),
            "[read_image] " + (folder / "d.png").string() + ": expects a file");
}

}  // namespace
}  // namespace coppice::train
