// PGM and PPM (netpbm.sourceforge.net/doc): plain and raw, up to 16 bits.

#include <algorithm>
#include <string_view>
#include <utility>

#include <coppice/core/io/atomic_file.h>
#include <coppice/trainers/data/image_planes.h>

namespace coppice::train {
namespace {

constexpr std::int64_t kLargestValue = 65535;

/// Reads a file from the front: tokens of the header, then the raster.
class Reader {
 public:
  Reader(std::span<const std::byte> bytes, const std::string& file)
      : rest_(reinterpret_cast<const char*>(bytes.data()), bytes.size()), file_(file) {}

  template <class... Parts>
  [[noreturn]] void reject(const Parts&... parts) const {
    coppice::detail::fail("[pnm] ", file_, ": expects ", parts...);
  }

  /// The letter and digit that say what the file is.
  int kind() {
    const bool known = rest_.size() >= 2 && rest_[0] == 'P' &&
                       (rest_[1] == '2' || rest_[1] == '3' || rest_[1] == '5' || rest_[1] == '6');
    if (!known) reject("P2, P3, P5 or P6 at its start");
    const int digit = rest_[1] - '0';
    rest_.remove_prefix(2);
    return digit;
  }

  /// A number after white space and comments.
  std::int64_t number(const char* what) {
    skip_space();
    std::int64_t value = 0;
    std::size_t digits = 0;
    for (; digits < rest_.size() && rest_[digits] >= '0' && rest_[digits] <= '9'; ++digits) {
      value = 10 * value + (rest_[digits] - '0');
      if (digits == 9) reject(what, " of at most 9 digits");
    }
    if (digits == 0) reject(what, ", a number");
    rest_.remove_prefix(digits);
    return value;
  }

  /// The single white space before a raw raster.
  void end_header() {
    if (rest_.empty() || !is_space(rest_.front())) reject("white space after the largest value");
    rest_.remove_prefix(1);
  }

  std::int64_t left() const { return std::ssize(rest_); }

  /// A big-endian sample of a raw raster.
  std::int64_t sample(std::int64_t bytes) {
    const auto byte = [&](std::size_t i) { return static_cast<std::int64_t>(static_cast<unsigned char>(rest_[i])); };
    const std::int64_t value = bytes == 1 ? byte(0) : byte(0) * 256 + byte(1);
    rest_.remove_prefix(static_cast<std::size_t>(bytes));
    return value;
  }

  void end() {
    skip_space();
    if (!rest_.empty()) reject("an end after its pixels; got ", rest_.size(), " bytes more");
  }

 private:
  static bool is_space(char c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

  void skip_space() {
    while (!rest_.empty() && (is_space(rest_.front()) || rest_.front() == '#')) {
      const bool comment = rest_.front() == '#';
      rest_.remove_prefix(comment ? std::min(rest_.find('\n'), rest_.size()) : 1);
    }
  }

  std::string_view rest_;
  const std::string& file_;
};

/// Reads samples into the image and by the store(place, value) that make(shape, largest value) gives.
template <class Make>
Tensor decode(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits, Make make) {
  Reader reader(bytes, file);
  const int kind = reader.kind();
  const std::int64_t channels = kind == 3 || kind == 6 ? 3 : 1;
  const bool plain = kind < 4;
  const std::int64_t width = reader.number("a width");
  const std::int64_t height = reader.number("a height");
  const std::int64_t largest = reader.number("a largest value");
  if (largest < 1 || largest > kLargestValue) reader.reject("a largest value from 1 to 65535; got ", largest);
  detail::check_image_size("pnm", file, height, width, limits);
  const std::int64_t samples = channels * height * width;
  const std::int64_t sample_bytes = largest > 255 ? 2 : 1;
  if (!plain) reader.end_header();
  const std::int64_t least = plain ? 2 * samples : sample_bytes * samples;  // a plain one: a space and a digit each
  if (reader.left() < least) {
    reader.reject("at least ", least, " bytes of pixels for ", height, " x ", width, "; got ", reader.left());
  }
  const auto [image, store] = make(Shape{channels, height, width}, largest);
  for (std::int64_t pixel = 0; pixel < height * width; ++pixel) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int64_t value = plain ? reader.number("a sample") : reader.sample(sample_bytes);
      if (value > largest) reader.reject("samples up to ", largest, "; got ", value);
      store(c * height * width + pixel, value);
    }
  }
  reader.end();
  return image;
}

}  // namespace

Tensor decode_pnm(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  return decode(bytes, file, limits, [](const Shape& shape, std::int64_t largest) {
    const Tensor image = Tensor::empty(shape, {.dtype = kUInt8});
    return std::pair(image, [to = image.data<std::uint8_t>(), largest](std::int64_t place, std::int64_t value) {
      to[place] = static_cast<std::uint8_t>((value * 255 + largest / 2) / largest);
    });
  });
}

Tensor decode_pnm_16(std::span<const std::byte> bytes, const std::string& file, ImageLimits limits) {
  return decode(bytes, file, limits, [](const Shape& shape, std::int64_t) {
    const Tensor image = Tensor::empty(shape, {.dtype = kInt32});
    return std::pair(image, [to = image.data<std::int32_t>()](std::int64_t place, std::int64_t value) {
      to[place] = static_cast<std::int32_t>(value);
    });
  });
}

std::vector<std::byte> encode_pnm(const Tensor& image) {
  const std::int64_t channels = image.dim() == 3 ? image.size(0) : 1;
  COPPICE_CHECK((image.dtype() == kUInt8 || image.dtype() == kInt32) && (image.dim() == 2 || image.dim() == 3) &&
                    (channels == 1 || channels == 3) && image.numel() > 0,
                "[encode_pnm] expects uint8 or int32 (h, w), (1, h, w) or (3, h, w); got ", image.dtype(), " ",
                image.shape());
  const std::int64_t height = image.size(-2), width = image.size(-1), pixels = height * width;
  const bool wide = image.dtype() == kInt32;
  const Tensor whole = image.to(kInt32).contiguous();
  const std::int32_t* const plane = whole.data<std::int32_t>();
  std::string text = channels == 3 ? "P6\n" : "P5\n";
  text += std::to_string(width) + ' ' + std::to_string(height) + (wide ? "\n65535\n" : "\n255\n");
  for (std::int64_t p = 0; p < pixels; ++p) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const std::int32_t value = plane[c * pixels + p];
      COPPICE_CHECK(value >= 0 && value <= kLargestValue, "[encode_pnm] expects values from 0 to 65535; got ", value);
      if (wide) text += static_cast<char>(value >> 8);
      text += static_cast<char>(value & 255);
    }
  }
  const auto* const begin = reinterpret_cast<const std::byte*>(text.data());
  return {begin, begin + text.size()};
}

void write_pnm(const std::filesystem::path& file, const Tensor& image) {
  const std::vector<std::byte> bytes = encode_pnm(image);
  AtomicFile out(file);
  out.write(bytes.data(), bytes.size());
  out.commit();
}

}  // namespace coppice::train
