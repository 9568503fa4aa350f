#include <coppice/core/io/safetensors.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstring>
#include <fstream>
#include <vector>

#include <coppice/core/io/atomic_file.h>
#include <coppice/core/io/masked_view.h>
#include <coppice/core/io/safetensors_header.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

static_assert(std::endian::native == std::endian::little, "safetensors data is little-endian");

namespace {

constexpr std::uint64_t kLengthBytes = 8;
constexpr std::uint64_t kLargestHeader = 100'000'000;  // the limit of the reference implementation

/// The bytes of a tensor on the CPU, in row-major order.
Tensor host_copy(const Tensor& tensor) {
  return tensor.is_masked() ? tensor.to_dense() : detail::to_host(tensor, tensor.dtype());
}

detail::SafetensorsHeader lay_out(const Safetensors& content, const std::string& name) {
  detail::SafetensorsHeader header;
  header.metadata = content.metadata;
  for (const auto& [key, tensor] : content.tensors) {
    COPPICE_CHECK(tensor.defined(), "[safetensors] ", name, ": '", key, "' must be defined");
    header.entries.push_back({.name = key, .dtype = tensor.dtype(), .shape = tensor.shape()});
  }
  // Wide elements first, so that every tensor is aligned to its element.
  std::ranges::stable_sort(header.entries,
                           [](const auto& a, const auto& b) { return size_of(a.dtype) > size_of(b.dtype); });
  std::uint64_t offset = 0;
  for (detail::SafetensorsEntry& entry : header.entries) {
    entry.begin = offset;
    offset += static_cast<std::uint64_t>(entry.shape.numel()) * size_of(entry.dtype);
    entry.end = offset;
  }
  return header;
}

void check_booleans(const Tensor& tensor, const std::string& key, const std::string& name) {
  const auto* byte = static_cast<const unsigned char*>(tensor.raw_data());
  COPPICE_CHECK(std::all_of(byte, byte + tensor.numel(), [](unsigned char value) { return value <= 1; }),
                "[safetensors] ", name, ": '", key, "' expects 0 or 1 in every BOOL; got another byte");
}

}  // namespace

void save_safetensors(const std::filesystem::path& file, const Safetensors& content, MaskedView view) {
  const std::string name = file.string();
  if (view == MaskedView::Masked) {
    const Safetensors split = detail::split_masked(content, name);
    return save_safetensors(file, split, MaskedView::Dense);
  }
  const detail::SafetensorsHeader header = lay_out(content, name);
  const std::string text = detail::format_safetensors_header(header, name);
  COPPICE_CHECK(text.size() <= kLargestHeader, "[safetensors] ", name, ": header must be at most ", kLargestHeader,
                " bytes; got ", text.size());
  AtomicFile out(file);
  const std::uint64_t length = text.size();
  out.write(&length, sizeof length);
  out.write(text.data(), text.size());
  for (const detail::SafetensorsEntry& entry : header.entries) {
    const Tensor elements = host_copy(content.tensors.at(entry.name));
    out.write(elements.raw_data(), static_cast<std::size_t>(entry.end - entry.begin));
  }
  out.commit();
}

Safetensors detail::load_parts(const std::filesystem::path& file) {
  const std::string name = file.string();
  std::error_code failure;
  COPPICE_CHECK(std::filesystem::is_regular_file(file, failure), "[safetensors] ", name, ": must be a file");
  const std::uint64_t size = std::filesystem::file_size(file, failure);
  std::ifstream in(file, std::ios::binary);
  COPPICE_CHECK(!failure && in, "[safetensors] ", name, ": cannot be opened");

  const auto read = [&](void* destination, std::uint64_t bytes, const std::string& what) {
    in.read(static_cast<char*>(destination), static_cast<std::streamsize>(bytes));
    COPPICE_CHECK(in, "[safetensors] ", name, ": ", what, " expects ", bytes, " bytes; got ", in.gcount());
  };
  std::uint64_t length = 0;
  read(&length, kLengthBytes, "header length");
  COPPICE_CHECK(length <= kLargestHeader && length <= size - kLengthBytes, "[safetensors] ", name,
                ": header length must be at most ", std::min(kLargestHeader, size - kLengthBytes), "; got ", length);
  std::string text(length, '\0');
  read(text.data(), length, "header");
  detail::SafetensorsHeader header = detail::parse_safetensors_header(text, size - kLengthBytes - length, name);

  Safetensors content;
  content.metadata = std::move(header.metadata);
  for (const detail::SafetensorsEntry& entry : header.entries) {
    const Tensor tensor = Tensor::empty(entry.shape, {.dtype = entry.dtype});
    read(tensor.raw_data(), entry.end - entry.begin, '\'' + entry.name + '\'');
    if (entry.dtype == kBool) check_booleans(tensor, entry.name, name);
    content.tensors.emplace(entry.name, tensor);
  }
  return content;
}

Safetensors load_safetensors(const std::filesystem::path& file) {
  return detail::join_masked(detail::load_parts(file), file.string());
}

}  // namespace coppice
