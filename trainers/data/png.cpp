// PNG through libpng. Its errors jump over C++ frames: whatever has a destructor lives outside the functions that
// call setjmp.

#include <png.h>

#include <bit>
#include <csetjmp>
#include <cstdio>
#include <cstring>
#include <utility>

#include <coppice/trainers/data/image_planes.h>

namespace coppice::train {
namespace {

/// The most bytes that deflate makes of one.
constexpr std::int64_t kMostInflation = 1032;

struct PngReader {
  png_structp png = nullptr;
  png_infop info = nullptr;
  const std::byte* next = nullptr;
  std::size_t left = 0;
  int passes = 1;
  char message[128] = "out of memory";

  explicit PngReader(std::span<const std::byte> bytes) : next(bytes.data()), left(bytes.size()) {
    png = png_create_read_struct(PNG_LIBPNG_VER_STRING, this, on_error, on_warning);
    if (png) info = png_create_info_struct(png);
  }
  ~PngReader() { png_destroy_read_struct(&png, &info, nullptr); }
  PngReader(const PngReader&) = delete;
  PngReader& operator=(const PngReader&) = delete;

  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* reader = static_cast<PngReader*>(png_get_error_ptr(png));
    std::snprintf(reader->message, sizeof reader->message, "%s", text);
    png_longjmp(png, 1);
  }
  static void on_warning(png_structp, png_const_charp) {}
  static void on_read(png_structp png, png_bytep to, std::size_t count) {
    auto* reader = static_cast<PngReader*>(png_get_io_ptr(png));
    if (count > reader->left) png_error(png, "expects more bytes; the file ends here");
    std::memcpy(to, reader->next, count);
    reader->next += count;
    reader->left -= count;
  }
};

/// Reads what comes before the pixels. False: the message says why not.
bool read_header(PngReader& reader) {
  if (!reader.info || setjmp(png_jmpbuf(reader.png))) return false;
  png_set_read_fn(reader.png, &reader, PngReader::on_read);
  // Text, profiles and the like may inflate to far more than the image.
  png_set_keep_unknown_chunks(reader.png, PNG_HANDLE_CHUNK_NEVER, nullptr, -1);
  png_read_info(reader.png, reader.info);
  return true;
}

/// Asks for 8-bit grey or RGB; or, of 16 bits, for all samples in the machine's order of bytes.
bool set_transformations(PngReader& reader, bool wide) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  if (wide) {
    if constexpr (std::endian::native == std::endian::little) png_set_swap(reader.png);
  } else {
    png_set_expand(reader.png);
    png_set_scale_16(reader.png);
    png_set_strip_alpha(reader.png);
  }
  reader.passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(PngReader& reader, png_bytep rows, png_uint_32 height, std::size_t stride) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  for (int pass = 0; pass < reader.passes; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(reader.png, rows + y * stride, nullptr);
  }
  png_read_end(reader.png, nullptr);
  return true;
}

/// The samples of a PNG, interleaved.
template <class Sample>
struct Samples {
  std::vector<Sample> values;
  std::int64_t channels, height, width;
};

template <class Sample>
Samples<Sample> read_samples(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  constexpr bool kWide = sizeof(Sample) == 2;
  PngReader reader(bytes);
  const auto check = [&](bool good) { COPPICE_CHECK(good, "[png] ", file, ": ", reader.message); };
  check(read_header(reader));
  const std::int64_t height = png_get_image_height(reader.png, reader.info);
  const std::int64_t width = png_get_image_width(reader.png, reader.info);
  const int bits = png_get_bit_depth(reader.png, reader.info);
  detail::check_image_size("png", file, height, width, limits);
  COPPICE_CHECK(!kWide || bits == 16, "[png] ", file, ": expects 16 bits; got ", bits, "; decode_png reads them");
  const std::int64_t raw = height * width * bits * png_get_channels(reader.png, reader.info) / 8;
  COPPICE_CHECK(raw / kMostInflation <= std::ssize(bytes), "[png] ", file, ": ", height, " x ", width, " expects ", raw,
                " bytes of pixels; ", bytes.size(), " compressed bytes cannot hold them");
  check(set_transformations(reader, kWide));
  const std::int64_t channels = png_get_channels(reader.png, reader.info);
  const std::size_t stride = png_get_rowbytes(reader.png, reader.info);
  COPPICE_CHECK((kWide || channels == 1 || channels == 3) &&
                    stride == static_cast<std::size_t>(channels * width) * sizeof(Sample),
                "[png] ", file, ": expects 1 or 3 channels of 8 bits; got ", channels, " in rows of ", stride,
                " bytes");
  Samples<Sample> samples{std::vector<Sample>(static_cast<std::size_t>(height * channels * width)), channels, height,
                          width};
  check(
      read_rows(reader, reinterpret_cast<png_bytep>(samples.values.data()), static_cast<png_uint_32>(height), stride));
  return samples;
}

struct PngWriter {
  png_structp png = nullptr;
  png_infop info = nullptr;
  std::vector<std::byte>& bytes;
  char message[128] = "out of memory";

  explicit PngWriter(std::vector<std::byte>& to) : bytes(to) {
    png = png_create_write_struct(PNG_LIBPNG_VER_STRING, this, on_error, [](png_structp, png_const_charp) {});
    if (png) info = png_create_info_struct(png);
  }
  ~PngWriter() { png_destroy_write_struct(&png, &info); }
  PngWriter(const PngWriter&) = delete;
  PngWriter& operator=(const PngWriter&) = delete;

  [[noreturn]] static void on_error(png_structp png, png_const_charp text) {
    auto* writer = static_cast<PngWriter*>(png_get_error_ptr(png));
    std::snprintf(writer->message, sizeof writer->message, "%s", text);
    png_longjmp(png, 1);
  }
  static void on_write(png_structp png, png_bytep from, std::size_t count) {
    const auto* const begin = reinterpret_cast<const std::byte*>(from);
    auto* writer = static_cast<PngWriter*>(png_get_io_ptr(png));
    writer->bytes.insert(writer->bytes.end(), begin, begin + count);
  }
};

constexpr int kColours[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_GRAY_ALPHA, PNG_COLOR_TYPE_RGB,
                            PNG_COLOR_TYPE_RGB_ALPHA};

/// Rows of interleaved samples of `bits` bits.
bool write_rows(PngWriter& writer, int bits, std::int64_t channels, std::int64_t height, std::int64_t width,
                const std::byte* rows) {
  if (!writer.info || setjmp(png_jmpbuf(writer.png))) return false;
  png_set_write_fn(writer.png, &writer, PngWriter::on_write, [](png_structp) {});
  png_set_IHDR(writer.png, writer.info, static_cast<png_uint_32>(width), static_cast<png_uint_32>(height), bits,
               kColours[channels - 1], PNG_INTERLACE_NONE, PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
  png_write_info(writer.png, writer.info);
  if (bits == 16 && std::endian::native == std::endian::little) png_set_swap(writer.png);
  const std::int64_t stride = channels * width * bits / 8;
  for (std::int64_t y = 0; y < height; ++y) {
    png_write_row(writer.png, reinterpret_cast<png_const_bytep>(rows + y * stride));
  }
  png_write_end(writer.png, nullptr);
  return true;
}

/// The samples of an image, interleaved, as a PNG of as many bits.
template <class Sample, class Element>
std::vector<std::byte> encode(const Tensor& image, std::int64_t channels) {
  const std::int64_t height = image.size(-2), width = image.size(-1), pixels = height * width;
  const Tensor whole = image.contiguous();
  const Element* const planes = whole.data<Element>();
  std::vector<Sample> samples(static_cast<std::size_t>(channels * pixels));
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t p = 0; p < pixels; ++p) {
      const Element value = planes[c * pixels + p];
      COPPICE_CHECK(std::in_range<Sample>(static_cast<std::int64_t>(value)),
                    "[encode_png] expects values from 0 to 65535; got ", value);
      samples[static_cast<std::size_t>(p * channels + c)] = static_cast<Sample>(value);
    }
  }
  std::vector<std::byte> bytes;
  PngWriter writer(bytes);
  const bool written = write_rows(writer, static_cast<int>(8 * sizeof(Sample)), channels, height, width,
                                  reinterpret_cast<const std::byte*>(samples.data()));
  COPPICE_CHECK(written, "[encode_png] ", writer.message);
  return bytes;
}

}  // namespace

Tensor decode_png(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  const Samples<std::uint8_t> samples = read_samples<std::uint8_t>(bytes, file, limits);
  return detail::planes(samples.values, samples.channels, samples.height, samples.width);
}

Tensor decode_png_16(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  const Samples<std::uint16_t> samples = read_samples<std::uint16_t>(bytes, file, limits);
  const Tensor image = Tensor::empty({samples.channels, samples.height, samples.width}, {.dtype = kInt32});
  std::int32_t* const to = image.data<std::int32_t>();
  const std::int64_t pixels = samples.height * samples.width;
  for (std::int64_t p = 0; p < pixels; ++p) {
    for (std::int64_t c = 0; c < samples.channels; ++c) {
      to[c * pixels + p] = samples.values[static_cast<std::size_t>(p * samples.channels + c)];
    }
  }
  return image;
}

std::vector<std::byte> encode_png(const Tensor& image) {
  COPPICE_CHECK((image.dtype() == kUInt8 || image.dtype() == kInt32) && (image.dim() == 2 || image.dim() == 3),
                "[encode_png] expects uint8 or int32 (h, w) or (c, h, w); got ", image.dtype(), " ", image.shape());
  const std::int64_t channels = image.dim() == 3 ? image.size(0) : 1;
  const std::int64_t height = image.size(-2), width = image.size(-1);
  COPPICE_CHECK(channels >= 1 && channels <= 4 && height >= 1 && width >= 1 && height * width <= (1 << 28),
                "[encode_png] expects 1 to 4 channels of 1 to 2^28 pixels; got ", image.shape());
  return image.dtype() == kUInt8 ? encode<std::uint8_t, std::uint8_t>(image, channels)
                                 : encode<std::uint16_t, std::int32_t>(image, channels);
}

}  // namespace coppice::train
