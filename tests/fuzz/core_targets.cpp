// The readers of core/io.

#include <coppice/core/error.h>
#include <coppice/core/io/idx.h>
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

}  // namespace coppice::fuzz
