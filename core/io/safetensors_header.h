#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/dtype.h>
#include <coppice/core/shape.h>

namespace coppice::detail {

/// Where one tensor lies in the data section, in bytes from its start.
struct SafetensorsEntry {
  std::string name;
  DType dtype = kFloat32;
  Shape shape;
  std::uint64_t begin = 0;
  std::uint64_t end = 0;
};

/// The JSON header: entries in the order of their data, and text by key.
struct SafetensorsHeader {
  std::vector<SafetensorsEntry> entries;
  std::map<std::string, std::string> metadata;
};

/// Reads an untrusted header. Accepts exactly: an object of tensors, each with a known dtype, a shape and two offsets
/// that fit them; no name or key twice; data that covers [0, data_bytes) without gap or overlap. Throws
/// `[safetensors] file: field expectation` otherwise. Memory stays proportional to the text.
SafetensorsHeader parse_safetensors_header(std::string_view json, std::uint64_t data_bytes, const std::string& file);

/// The text of a header, padded with spaces to a multiple of 8.
std::string format_safetensors_header(const SafetensorsHeader& header, const std::string& file);

}  // namespace coppice::detail
