#include <gtest/gtest.h>

#include <fstream>
#include <string>

#include <coppice/core/generator.h>
#include <coppice/trainers/data/flow_file.h>
#include <coppice/trainers/data/image.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"
#include "tests/trainers/image_files.h"

namespace coppice::train {
namespace {

std::span<const std::byte> as_bytes(const std::string& text) { return std::as_bytes(std::span(text)); }
Tensor pnm(const std::string& text) { return decode_pnm(as_bytes(text), "a.pnm"); }
Tensor pnm_16(const std::string& text) { return decode_pnm_16(as_bytes(text), "a.pnm"); }
std::string pnm_error(const std::string& text) {
  return error_of([&] { pnm(text); });
}

TEST(Pnm, ReadsWhatItWrites) {
  Generator generator(1);
  for (const Shape& shape : {Shape{1, 1, 1}, Shape{1, 5, 7}, Shape{3, 4, 9}}) {
    const Tensor narrow = Tensor::randint(0, 256, shape, generator, {.dtype = kUInt8});
    EXPECT_TRUE(bit_equal(decode_pnm(encode_pnm(narrow), "a"), narrow)) << shape;
    const Tensor wide = Tensor::randint(0, 65536, shape, generator, {.dtype = kInt32});
    EXPECT_TRUE(bit_equal(decode_pnm_16(encode_pnm(wide), "a"), wide)) << shape;
  }
}

TEST(Pnm, ReadsPlainFilesWithCommentsAsTheRawOnesTheyStandFor) {
  const Tensor expected = Tensor::of(std::vector<std::uint8_t>{0, 255, 128, 7, 9, 250}, Shape{1, 2, 3});
  EXPECT_TRUE(bit_equal(pnm("P2 # grey\n3\n#two\n2 255 0 255\t128 7 9\r\n250 #end"), expected));
  EXPECT_TRUE(bit_equal(pnm(std::string("P5\n3 2\n255\n\x00\xFF\x80\x07\x09\xFA", 17)), expected));
  // Pixel after pixel in the file, plane after plane here.
  EXPECT_TRUE(bit_equal(pnm("P3 2 1 255 1 2 3 4 5 6"),
                        Tensor::of(std::vector<std::uint8_t>{1, 4, 2, 5, 3, 6}, Shape{3, 1, 2})));
}

TEST(Pnm, ScalesByTheLargestValue) {
  EXPECT_EQ(pnm("P2 4 1 3 0 1 2 3").to_vector<std::uint8_t>(), (std::vector<std::uint8_t>{0, 85, 170, 255}));
  EXPECT_EQ(pnm(std::string("P5 2 1 65535 \x80\x00\xFF\xFF", 17)).to_vector<std::uint8_t>(),
            (std::vector<std::uint8_t>{128, 255}));
  EXPECT_EQ(pnm_16(std::string("P5 2 1 40000 \x01\x02\x9C\x40", 17)).to_vector<std::int32_t>(),
            (std::vector<std::int32_t>{258, 40000}));
  EXPECT_EQ(pnm_16("P2 2 1 3 1 3").to_vector<std::int32_t>(), (std::vector<std::int32_t>{1, 3}));
}

TEST(Pnm, SaysWhatIsWrong) {
  EXPECT_EQ(pnm_error("P4 1 1 1"), "[pnm] a.pnm: expects P2, P3, P5 or P6 at its start");
  EXPECT_EQ(pnm_error("P5 x"), "[pnm] a.pnm: expects a width, a number");
  EXPECT_EQ(pnm_error("P5 1234567890 1 255 "), "[pnm] a.pnm: expects a width of at most 9 digits");
  EXPECT_EQ(pnm_error("P5 1 1 65536 "), "[pnm] a.pnm: expects a largest value from 1 to 65535; got 65536");
  EXPECT_EQ(pnm_error("P5 1 1 255"), "[pnm] a.pnm: expects white space after the largest value");
  EXPECT_EQ(pnm_error("P6 2 1 255 abc"), "[pnm] a.pnm: expects at least 6 bytes of pixels for 1 x 2; got 3");
  EXPECT_EQ(pnm_error("P2 2 1 9 1 10"), "[pnm] a.pnm: expects samples up to 9; got 10");
  EXPECT_EQ(pnm_error("P2 1 1 9 1 1"), "[pnm] a.pnm: expects an end after its pixels; got 1 bytes more");
  EXPECT_EQ(pnm_error("P5 99999 99999 255 "),
            "[pnm] a.pnm: expects 1 to 67108864 pixels; got 99999 x 99999; ImageLimits::max_pixels says how many are "
            "read");
  EXPECT_EQ(error_of([] {
              encode_pnm(Tensor::zeros({2, 3, 4}, {.dtype = kUInt8}));
            }),
            "[encode_pnm] expects uint8 or int32 (h, w), (1, h, w) or (3, h, w); got uint8 (2, 3, 4)");
  EXPECT_EQ(error_of([] {
              encode_pnm(Tensor::full({1, 1}, 65536, {.dtype = kInt32}));
            }),
            "[encode_pnm] expects values from 0 to 65535; got 65536");
}

TEST(Png16, KeepsEveryBit) {
  Generator generator(2);
  for (const std::int64_t channels : {1, 2, 3, 4}) {
    const Tensor image = Tensor::randint(0, 65536, {channels, 5, 7}, generator, {.dtype = kInt32});
    EXPECT_TRUE(bit_equal(decode_png_16(encode_png(image), "a.png"), image)) << channels;
  }
  // Written by libpng itself, big-endian.
  const Bytes file = make_png({{0x01, 0x02, 0xFF, 0xFE}}, 2, {.bits = 16, .colour = PNG_COLOR_TYPE_GRAY});
  EXPECT_EQ(decode_png_16(file, "a.png").to_vector<std::int32_t>(), (std::vector<std::int32_t>{258, 65534}));
  EXPECT_EQ(error_of([] {
              decode_png_16(encode_png(Tensor::zeros({2, 2}, {.dtype = kUInt8})), "a.png");
            }),
            "[png] a.png: expects 16 bits; got 8; decode_png reads them");
  EXPECT_EQ(error_of([] {
              encode_png(Tensor::full({1, 1}, -1, {.dtype = kInt32}));
            }),
            "[encode_png] expects values from 0 to 65535; got -1");
}

TEST(ReadImage16, TakesPngAndPnmByTheirFirstBytes) {
  const TemporaryFolder folder;
  Generator generator(3);
  const Tensor image = Tensor::randint(0, 65536, {3, 4, 5}, generator, {.dtype = kInt32});
  write_png(folder / "a", image);
  write_pnm(folder / "b", image);
  EXPECT_TRUE(bit_equal(read_image_16(folder / "a"), image));
  EXPECT_TRUE(bit_equal(read_image_16(folder / "b"), image));
  // Both to 8 bits, rounding to nearest.
  EXPECT_TRUE(bit_equal(read_image(folder / "a"), read_image(folder / "b")));
}

TEST(Flo, ReadsWhatItWritesAndTheFormatsOwnBytes) {
  const TemporaryFolder folder;
  Generator generator(4);
  const Tensor flow = Tensor::randn({2, 3, 5}, generator);
  save_flo(folder / "a.flo", flow);
  EXPECT_TRUE(bit_equal(load_flo(folder / "a.flo"), flow));
  // Width 2, height 1; (1, 2) and (3, 4) in pixels, u before v.
  const std::string bytes("PIEH\x02\0\0\0\x01\0\0\0\0\0\x80\x3F\0\0\0\x40\0\0\x40\x40\0\0\x80\x40", 28);
  EXPECT_TRUE(bit_equal(parse_flo(bytes, "b"), Tensor::of(std::vector<float>{1, 3, 2, 4}, Shape{2, 1, 2})));
}

TEST(Flo, SaysWhatIsWrong) {
  EXPECT_EQ(error_of([] { parse_flo("PIEH", "a.flo"); }), "[flo] a.flo: expects a header of 12 bytes; got 4");
  EXPECT_EQ(error_of([] { parse_flo(std::string(12, 'x'), "a.flo"); }), "[flo] a.flo: expects PIEH at its start");
  EXPECT_EQ(error_of([] { parse_flo(std::string("PIEH\x02\0\0\0\xFF\xFF\xFF\xFF", 12), "a.flo"); }),
            "[flo] a.flo: expects a size above 0; got -1 x 2");
  EXPECT_EQ(error_of([] { parse_flo(std::string("PIEH\x02\0\0\0\x01\0\0\0....", 16), "a.flo"); }),
            "[flo] a.flo: expects 2 pixels of 8 bytes for 1 x 2; got 4 bytes");
  EXPECT_EQ(error_of([] {
              save_flo("a.flo", Tensor::zeros({3, 2, 2}));
            }),
            "[save_flo] expects float32 (2, h, w); got float32 (3, 2, 2)");
}

}  // namespace
}  // namespace coppice::train
