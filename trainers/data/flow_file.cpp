#include <coppice/trainers/data/flow_file.h>

#include <bit>
#include <cstring>
#include <fstream>
#include <iterator>

#include <coppice/core/error.h>
#include <coppice/core/io/atomic_file.h>

namespace coppice::train {

static_assert(std::endian::native == std::endian::little, "the data written here is little-endian");

namespace {

constexpr float kMagic = 202021.25F;  // the bytes PIEH
struct Header {
  float magic = kMagic;
  std::int32_t width = 0;
  std::int32_t height = 0;
};

}  // namespace

Tensor parse_flo(std::string_view bytes, const std::string& name) {
  Header header;
  COPPICE_CHECK(bytes.size() >= sizeof header, "[flo] ", name, ": expects a header of ", sizeof header, " bytes; got ",
                bytes.size());
  std::memcpy(&header, bytes.data(), sizeof header);
  COPPICE_CHECK(header.magic == kMagic, "[flo] ", name, ": expects PIEH at its start");
  COPPICE_CHECK(header.width > 0 && header.height > 0, "[flo] ", name, ": expects a size above 0; got ", header.height,
                " x ", header.width);
  bytes.remove_prefix(sizeof header);
  const std::int64_t pixels = std::int64_t{header.height} * header.width;
  constexpr std::int64_t kPixelBytes = 2 * sizeof(float);
  COPPICE_CHECK(std::ssize(bytes) % kPixelBytes == 0 && std::ssize(bytes) / kPixelBytes == pixels, "[flo] ", name,
                ": expects ", pixels, " pixels of ", kPixelBytes, " bytes for ", header.height, " x ", header.width,
                "; got ", bytes.size(), " bytes");
  const Tensor flow = Tensor::empty({2, header.height, header.width});
  float* const to = flow.data<float>();
  for (std::int64_t p = 0; p < pixels; ++p) {
    float vector[2];
    std::memcpy(vector, bytes.data() + p * kPixelBytes, sizeof vector);
    to[p] = vector[0];
    to[pixels + p] = vector[1];
  }
  return flow;
}

Tensor load_flo(const std::filesystem::path& file) {
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(in, "[flo] ", file.string(), ": expects a file that can be opened");
  const std::string bytes{std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
  return parse_flo(bytes, file.string());
}

void save_flo(const std::filesystem::path& file, const Tensor& flow) {
  COPPICE_CHECK(flow.dtype() == kFloat32 && flow.dim() == 3 && flow.size(0) == 2 && flow.numel() > 0,
                "[save_flo] expects float32 (2, h, w); got ", flow.dtype(), " ", flow.shape());
  const Header header{.width = static_cast<std::int32_t>(flow.size(2)),
                      .height = static_cast<std::int32_t>(flow.size(1))};
  const Tensor pixels = flow.permute({1, 2, 0}).contiguous();
  AtomicFile out(file);
  out.write(&header, sizeof header);
  out.write(pixels.data<float>(), static_cast<std::size_t>(pixels.numel()) * sizeof(float));
  out.commit();
}

}  // namespace coppice::train
