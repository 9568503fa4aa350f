// JPEG through libjpeg. Its errors jump over C++ frames: whatever has a destructor lives outside the function that
// calls setjmp.

#include <csetjmp>
#include <cstdio>

#include <jpeglib.h>
// The order matters: it needs what the header before it declares.
#include <jerror.h>

#include <coppice/trainers/data/image_planes.h>

namespace coppice::train {
namespace {

/// A progressive file may ask for any number of passes over the image; encoders make about ten.
constexpr int kMostScans = 100;
/// Huffman coding spends a bit or more on each block, and the sparsest sampling has 128 pixels for a block.
constexpr std::int64_t kMostPixelsPerByte = 1024;

struct JpegReader {
  jpeg_decompress_struct info{};
  jpeg_error_mgr errors{};
  jpeg_progress_mgr progress{};
  std::jmp_buf jump{};
  char message[JMSG_LENGTH_MAX] = "";
  bool started = false;

  JpegReader() {
    info.err = jpeg_std_error(&errors);
    info.client_data = this;
    errors.error_exit = on_error;
    errors.emit_message = on_message;
    progress.progress_monitor = on_progress;
  }
  ~JpegReader() {
    if (started) jpeg_destroy_decompress(&info);
  }
  JpegReader(const JpegReader&) = delete;
  JpegReader& operator=(const JpegReader&) = delete;

  [[noreturn]] static void on_error(j_common_ptr info) {
    auto* reader = static_cast<JpegReader*>(info->client_data);
    info->err->format_message(info, reader->message);
    std::longjmp(reader->jump, 1);
  }
  /// What libjpeg warns of and goes on with grey pixels for is an error here, unless no pixel depends on it.
  static void on_message(j_common_ptr info, int level) {
    if (level >= 0) return;
    switch (info->err->msg_code) {
      case JWRN_EXTRANEOUS_DATA:
      case JWRN_ADOBE_XFORM:
      case JWRN_JFIF_MAJOR: return;
      default: on_error(info);
    }
  }
  static void on_progress(j_common_ptr info) {
    auto* reader = static_cast<JpegReader*>(info->client_data);
    if (reader->info.input_scan_number <= kMostScans) return;
    std::snprintf(reader->message, sizeof reader->message, "expects at most %d scans; got more", kMostScans);
    std::longjmp(reader->jump, 1);
  }
};

/// False, as from the functions below: the message says why not.
bool read_header(JpegReader& reader, std::span<const std::byte> bytes) {
  if (setjmp(reader.jump)) return false;
  reader.started = true;
  jpeg_create_decompress(&reader.info);
  reader.info.progress = &reader.progress;
  jpeg_mem_src(&reader.info, reinterpret_cast<const unsigned char*>(bytes.data()), bytes.size());
  jpeg_read_header(&reader.info, TRUE);
  return true;
}

/// Decodes all scans but the last.
bool start(JpegReader& reader, J_COLOR_SPACE colours) {
  if (setjmp(reader.jump)) return false;
  reader.info.out_color_space = colours;
  jpeg_start_decompress(&reader.info);
  return true;
}

bool read_rows(JpegReader& reader, std::uint8_t* rows, std::size_t stride) {
  if (setjmp(reader.jump)) return false;
  while (reader.info.output_scanline < reader.info.output_height) {
    JSAMPROW row = rows + reader.info.output_scanline * stride;
    jpeg_read_scanlines(&reader.info, &row, 1);
  }
  return true;
}

/// Ink to light, in place: the first three of four bytes a pixel become RGB. `inverted`: 255 is no ink, as Adobe's.
void cmyk_to_rgb(std::vector<std::uint8_t>& rows, bool inverted) {
  std::size_t to = 0;
  for (std::size_t from = 0; from + 4 <= rows.size(); from += 4) {
    const auto light = [&](std::size_t at) { return inverted ? int{rows[at]} : 255 - rows[at]; };
    const int key = light(from + 3);
    for (std::size_t c = 0; c < 3; ++c) {
      rows[to++] = static_cast<std::uint8_t>((light(from + c) * key + 127) / 255);
    }
  }
  rows.resize(to);
}

}  // namespace

Tensor decode_jpeg(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  JpegReader reader;
  const auto check = [&](bool good) { COPPICE_CHECK(good, "[jpeg] ", file, ": ", reader.message); };
  COPPICE_CHECK(!bytes.empty(), "[jpeg] ", file, ": expects a JPEG; got no bytes");
  check(read_header(reader, bytes));
  const jpeg_decompress_struct& info = reader.info;
  const std::int64_t height = info.image_height;
  const std::int64_t width = info.image_width;
  detail::check_image_size("jpeg", file, height, width, limits);
  // An arithmetic coder may spend next to nothing on a pixel: no size of file would bound its pixels.
  COPPICE_CHECK(!info.arith_code, "[jpeg] ", file, ": expects Huffman coding; got arithmetic coding");
  COPPICE_CHECK(height * width / kMostPixelsPerByte <= std::ssize(bytes), "[jpeg] ", file, ": ", height, " x ", width,
                " pixels expected; ", bytes.size(), " bytes cannot hold them");
  const int components = info.num_components;
  COPPICE_CHECK(components == 1 || components == 3 || components == 4, "[jpeg] ", file,
                ": expects grey, colour or CMYK; got ", components, " components");
  check(start(reader, components == 1 ? JCS_GRAYSCALE : components == 3 ? JCS_RGB : JCS_CMYK));
  COPPICE_CHECK(info.output_components == components && info.output_width == width && info.output_height == height,
                "[jpeg] ", file, ": expects ", components, " components of ", height, " x ", width, "; got ",
                info.output_components, " of ", info.output_height, " x ", info.output_width);
  const auto stride = static_cast<std::size_t>(components * width);
  std::vector<std::uint8_t> rows(static_cast<std::size_t>(height) * stride);
  check(read_rows(reader, rows.data(), stride));
  if (components == 4) cmyk_to_rgb(rows, info.saw_Adobe_marker != 0);
  return detail::planes(rows, components == 1 ? 1 : 3, height, width);
}

}  // namespace coppice::train
