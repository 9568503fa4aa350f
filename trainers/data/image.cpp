#include <coppice/trainers/data/image.h>

#include <algorithm>
#include <array>
#include <fstream>

#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/data/image_planes.h>

namespace coppice::train {
namespace {

constexpr std::array kPngSignature{std::byte{0x89}, std::byte{'P'},  std::byte{'N'},  std::byte{'G'},
                                   std::byte{'\r'}, std::byte{'\n'}, std::byte{0x1A}, std::byte{'\n'}};
constexpr std::array kJpegSignature{std::byte{0xFF}, std::byte{0xD8}, std::byte{0xFF}};

template <std::size_t kBytes>
bool begins_with(std::span<const std::byte> bytes, const std::array<std::byte, kBytes>& signature) {
  return bytes.size() >= kBytes && std::equal(signature.begin(), signature.end(), bytes.begin());
}

bool is_pnm(std::span<const std::byte> bytes) {
  return bytes.size() >= 2 && bytes[0] == std::byte{'P'} && bytes[1] >= std::byte{'2'} && bytes[1] <= std::byte{'6'};
}

std::vector<std::byte> read_file(const std::filesystem::path& file) {
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[read_image] ", file.string(), ": expects a file");
  const std::uintmax_t size = std::filesystem::file_size(file, failure);
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(!failure && in, "[read_image] ", file.string(), ": expects a file that can be opened");
  std::vector<std::byte> bytes(size);
  in.read(reinterpret_cast<char*>(bytes.data()), static_cast<std::streamsize>(size));
  COPPICE_CHECK(in, "[read_image] ", file.string(), ": expects ", size, " bytes; got ", in.gcount());
  return bytes;
}

}  // namespace

namespace detail {

void check_image_size(const char* codec, const std::string& file, std::int64_t height, std::int64_t width,
                      ImageLimits limits) {
  COPPICE_CHECK(height > 0 && width > 0 && height <= limits.max_pixels / width, "[", codec, "] ", file,
                ": expects 1 to ", limits.max_pixels, " pixels; got ", height, " x ", width,
                "; ImageLimits::max_pixels says how many are read");
}

Tensor planes(const std::vector<std::uint8_t>& interleaved, std::int64_t channels, std::int64_t height,
              std::int64_t width) {
  const Tensor image = Tensor::empty({channels, height, width}, {.dtype = kUInt8});
  std::uint8_t* plane = image.data<std::uint8_t>();
  const std::int64_t pixels = height * width;
  for (std::int64_t c = 0; c < channels; ++c, plane += pixels) {
    const std::uint8_t* from = interleaved.data() + c;
    for (std::int64_t p = 0; p < pixels; ++p) plane[p] = from[p * channels];
  }
  return image;
}

}  // namespace detail

Tensor read_image(const std::filesystem::path& file, ImageLimits limits) {
  const std::vector<std::byte> bytes = read_file(file);
  if (begins_with(bytes, kPngSignature)) return decode_png(bytes, file.string(), limits);
  if (is_pnm(bytes)) return decode_pnm(bytes, file.string(), limits);
  COPPICE_CHECK(begins_with(bytes, kJpegSignature), "[read_image] ", file.string(),
                ": expects a PNG, JPEG, PGM or PPM; its first bytes are those of none");
  return decode_jpeg(bytes, file.string(), limits);
}

Tensor read_image_16(const std::filesystem::path& file, ImageLimits limits) {
  const std::vector<std::byte> bytes = read_file(file);
  if (begins_with(bytes, kPngSignature)) return decode_png_16(bytes, file.string(), limits);
  COPPICE_CHECK(is_pnm(bytes), "[read_image_16] ", file.string(),
                ": expects a PNG, PGM or PPM; its first bytes are those of none");
  return decode_pnm_16(bytes, file.string(), limits);
}

void write_png(const std::filesystem::path& file, const Tensor& image) {
  const std::vector<std::byte> bytes = encode_png(image);
  AtomicFile out(file);
  out.write(bytes.data(), bytes.size());
  out.commit();
}

}  // namespace coppice::train
