#include <coppice/core/io/idx.h>

#include <zlib.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include <coppice/core/io/atomic_file.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

namespace {

constexpr std::array<std::pair<unsigned, DType>, 4> kTypes{
    {{0x08, kUInt8}, {0x0C, kInt32}, {0x0D, kFloat32}, {0x0E, kFloat64}}};

/// The most bytes that deflate makes of one.
constexpr std::uint64_t kMostInflation = 1032;

/// Reads a file through zlib, which passes on what is not compressed.
class Reader {
 public:
  explicit Reader(const std::filesystem::path& file) : name_(file.string()), stream_(::gzopen(file.c_str(), "rb")) {
    std::error_code failure;
    COPPICE_CHECK(stream_ && std::filesystem::is_regular_file(file, failure), "[idx] ", name_,
                  ": must be a file that can be opened");
    size_ = std::filesystem::file_size(file, failure);
    COPPICE_CHECK(!failure, "[idx] ", name_, ": has no size");
  }

  void read(void* destination, std::uint64_t bytes, const char* what) {
    char* next = static_cast<char*>(destination);
    for (std::uint64_t left = bytes; left > 0;) {
      const int got = ::gzread(stream_.get(), next, static_cast<unsigned>(std::min<std::uint64_t>(left, 1U << 24)));
      COPPICE_CHECK(got > 0, "[idx] ", name_, ": ", what, " expects ", bytes, " bytes; got ", bytes - left, reason());
      next += got;
      left -= static_cast<std::uint64_t>(got);
    }
  }

  /// Throws unless `bytes` can still come, given the size of the file.
  void check_room(std::uint64_t header, std::uint64_t bytes, const Shape& shape) {
    if (::gzdirect(stream_.get())) {
      COPPICE_CHECK(size_ - header == bytes, "[idx] ", name_, ": shape ", shape, " expects ", bytes,
                    " bytes of data; got ", size_ - header);
    } else {
      COPPICE_CHECK(bytes / kMostInflation <= size_, "[idx] ", name_, ": shape ", shape, " expects ", bytes,
                    " bytes of data; ", size_, " compressed bytes cannot hold them");
    }
  }

  /// Throws unless everything was read and its checksum agreed.
  void check_end() {
    char more = 0;
    const int got = ::gzread(stream_.get(), &more, 1);
    COPPICE_CHECK(got <= 0, "[idx] ", name_, ": data expects an end where its shape ends; got more");
    const std::string why = reason();
    COPPICE_CHECK(got == 0 && why.empty(), "[idx] ", name_, ": data expects an intact end", why);
  }

  const std::string& name() const { return name_; }

 private:
  struct Close {
    void operator()(gzFile_s* stream) const { ::gzclose(stream); }
  };
  std::string name_;
  std::unique_ptr<gzFile_s, Close> stream_;
  std::uint64_t size_ = 0;

  std::string reason() const {
    int code = Z_OK;
    const char* text = ::gzerror(stream_.get(), &code);
    return code == Z_OK ? "" : std::string("; ") + text;
  }
};

std::uint32_t big_endian(const unsigned char* byte) {
  return (std::uint32_t{byte[0]} << 24) | (std::uint32_t{byte[1]} << 16) | (std::uint32_t{byte[2]} << 8) | byte[3];
}

/// Turns big-endian elements into the machine's, or back.
void swap_bytes(void* data, std::int64_t count, std::size_t width) {
  auto* element = static_cast<unsigned char*>(data);
  for (std::int64_t i = 0; i < count; ++i, element += width) std::reverse(element, element + width);
}

}  // namespace

Tensor load_idx(const std::filesystem::path& file) {
  Reader reader(file);
  std::array<unsigned char, 4> magic{};
  reader.read(magic.data(), magic.size(), "magic number");
  const auto* type = std::ranges::find(kTypes, unsigned{magic[2]}, &std::pair<unsigned, DType>::first);
  COPPICE_CHECK(magic[0] == 0 && magic[1] == 0 && type != kTypes.end(), "[idx] ", reader.name(),
                ": magic number expects 0, 0 and a type among 8 (u8), 12 (i32), 13 (f32), 14 (f64); got ",
                unsigned{magic[0]}, ", ", unsigned{magic[1]}, ", ", unsigned{magic[2]});
  const int rank = magic[3];
  COPPICE_CHECK(rank >= 1 && rank <= kMaxRank, "[idx] ", reader.name(), ": number of dimensions must be in [1, ",
                kMaxRank, "]; got ", rank);
  Dims sizes;
  for (int dim = 0; dim < rank; ++dim) {
    std::array<unsigned char, 4> size{};
    reader.read(size.data(), size.size(), "sizes");
    sizes.push_back(big_endian(size.data()));
  }
  std::uint64_t bytes = size_of(type->second);
  for (const std::int64_t size : sizes) {
    COPPICE_CHECK(!__builtin_mul_overflow(bytes, static_cast<std::uint64_t>(size), &bytes), "[idx] ", reader.name(),
                  ": sizes must have a product below 2^64; got ", sizes);
  }
  std::optional<Shape> shape;
  try {
    shape = Shape(sizes);
  } catch (const Error& error) {
    detail::fail("[idx] ", reader.name(), ": sizes must be possible; got ", error.what());
  }
  reader.check_room(4 + 4 * static_cast<std::uint64_t>(rank), bytes, *shape);
  const Tensor tensor = Tensor::empty(*shape, {.dtype = type->second});
  reader.read(tensor.raw_data(), bytes, "data");
  reader.check_end();
  swap_bytes(tensor.raw_data(), tensor.numel(), size_of(tensor.dtype()));
  return tensor;
}

void save_idx(const std::filesystem::path& file, const Tensor& tensor) {
  const auto* type = std::ranges::find(kTypes, tensor.dtype(), &std::pair<unsigned, DType>::second);
  COPPICE_CHECK(type != kTypes.end(), "[idx] ", file.string(), ": expects uint8, int32, float32 or float64; got ",
                tensor.dtype(), " ", tensor.shape());
  COPPICE_CHECK(tensor.dim() >= 1, "[idx] ", file.string(), ": expects at least one dimension; got a scalar");
  std::vector<unsigned char> header = {0, 0, static_cast<unsigned char>(type->first),
                                       static_cast<unsigned char>(tensor.dim())};
  for (const std::int64_t size : tensor.shape()) {
    COPPICE_CHECK(size <= 0xFFFFFFFF, "[idx] ", file.string(), ": sizes must be below 2^32; got ", tensor.shape());
    for (const int shift : {24, 16, 8, 0}) header.push_back(static_cast<unsigned char>(size >> shift));
  }
  const Tensor elements = tensor.to_dense();
  swap_bytes(elements.raw_data(), elements.numel(), size_of(elements.dtype()));
  AtomicFile out(file);
  out.write(header.data(), header.size());
  out.write(elements.raw_data(), static_cast<std::size_t>(elements.nbytes()));
  out.commit();
}

}  // namespace coppice
