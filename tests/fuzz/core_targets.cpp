// The readers of core/io.

#include <cstdlib>

#include <coppice/core/error.h>
#include <coppice/core/io/idx.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/io/safetensors.h>

#include "tests/fuzz/memory_file.h"
#include "tests/fuzz/target.h"

namespace coppice::fuzz {

namespace {

template <class Read>
std::string read_file(std::string_view bytes, Read read) {
  static MemoryFile file;
  file.assign(bytes);
  try {
    read(file.path());
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

}  // namespace

std::string safetensors(std::string_view bytes) { return read_file(bytes, load_safetensors); }

std::string idx(std::string_view bytes) { return read_file(bytes, load_idx); }

std::string npy(std::string_view bytes) {
  const std::string from_file = read_file(bytes, load_npy);
  std::string from_memory;
  try {
    parse_npy(bytes, "bytes");
  } catch (const Error& error) {
    from_memory = error.what();
  }
  if (from_file.empty() != from_memory.empty()) std::abort();
  return from_file;
}

}  // namespace coppice::fuzz
