// PNG through libpng. Its errors jump over C++ frames: whatever has a destructor lives outside the functions that
// call setjmp.

#include <png.h>

#include <csetjmp>
#include <cstdio>
#include <cstring>

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

/// Asks for 8-bit grey or RGB.
bool set_transformations(PngReader& reader) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  png_set_expand(reader.png);
  png_set_scale_16(reader.png);
  png_set_strip_alpha(reader.png);
  reader.passes = png_set_interlace_handling(reader.png);
  png_read_update_info(reader.png, reader.info);
  return true;
}

bool read_rows(PngReader& reader, std::uint8_t* rows, png_uint_32 height, std::size_t stride) {
  if (setjmp(png_jmpbuf(reader.png))) return false;
  for (int pass = 0; pass < reader.passes; ++pass) {
    for (png_uint_32 y = 0; y < height; ++y) png_read_row(reader.png, rows + y * stride, nullptr);
  }
  png_read_end(reader.png, nullptr);
  return true;
}

}  // namespace

Tensor decode_png(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  PngReader reader(bytes);
  const auto check = [&](bool good) { COPPICE_CHECK(good, "[png] ", file, ": ", reader.message); };
  check(read_header(reader));
  const std::int64_t height = png_get_image_height(reader.png, reader.info);
  const std::int64_t width = png_get_image_width(reader.png, reader.info);
  detail::check_image_size("png", file, height, width, limits);
  const std::int64_t raw =
      height * width * png_get_bit_depth(reader.png, reader.info) * png_get_channels(reader.png, reader.info) / 8;
  COPPICE_CHECK(raw / kMostInflation <= std::ssize(bytes), "[png] ", file, ": ", height, " x ", width, " expects ", raw,
                " bytes of pixels; ", bytes.size(), " compressed bytes cannot hold them");
  check(set_transformations(reader));
  const std::int64_t channels = png_get_channels(reader.png, reader.info);
  const std::size_t stride = png_get_rowbytes(reader.png, reader.info);
  COPPICE_CHECK((channels == 1 || channels == 3) && stride == static_cast<std::size_t>(channels * width), "[png] ",
                file, ": expects 1 or 3 channels of 8 bits; got ", channels, " in rows of ", stride, " bytes");
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(height) * stride);
  check(read_rows(reader, rows.data(), static_cast<png_uint_32>(height), stride));
  return detail::planes(rows, channels, height, width);
}

std::vector<std::byte> encode_png(const Tensor& image) {
  COPPICE_CHECK(image.dtype() == kUInt8 && (image.dim() == 2 || image.dim() == 3), "[encode_png] expects uint8 (h, w) ",
                "or (c, h, w); got ", image.dtype(), " ", image.shape());
  const bool planar = image.dim() == 3;
  const std::int64_t channels = planar ? image.size(0) : 1;
  const std::int64_t height = image.size(-2);
  const std::int64_t width = image.size(-1);
  COPPICE_CHECK(channels >= 1 && channels <= 4 && height >= 1 && width >= 1 && height * width <= (1 << 28),
                "[encode_png] expects 1 to 4 channels of 1 to 2^28 pixels; got ", image.shape());
  const Tensor whole = image.contiguous();
  const std::uint8_t* plane = whole.data<std::uint8_t>();
  const std::int64_t pixels = height * width;
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(channels * pixels));
  for (std::int64_t c = 0; c < channels; ++c, plane += pixels) {
    std::uint8_t* to = rows.data() + c;
    for (std::int64_t p = 0; p < pixels; ++p) to[p * channels] = plane[p];
  }

  constexpr png_uint_32 kFormats[] = {PNG_FORMAT_GRAY, PNG_FORMAT_GA, PNG_FORMAT_RGB, PNG_FORMAT_RGBA};
  png_image target{};
  target.version = PNG_IMAGE_VERSION;
  target.width = static_cast<png_uint_32>(width);
  target.height = static_cast<png_uint_32>(height);
  target.format = kFormats[channels - 1];
  png_alloc_size_t size = PNG_IMAGE_PNG_SIZE_MAX(target);
  std::vector<std::byte> bytes(size);
  const bool written = png_image_write_to_memory(&target, bytes.data(), &size, 0, rows.data(), 0, nullptr) != 0;
  COPPICE_CHECK(written, "[encode_png] ", target.message);
  bytes.resize(size);
  return bytes;
}

}  // namespace coppice::train
