#include "tests/fuzz/memory_file.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <stdexcept>

namespace coppice::fuzz {

MemoryFile::MemoryFile() : descriptor_(::memfd_create("coppice_fuzz", MFD_CLOEXEC)) {
  if (descriptor_ < 0) throw std::runtime_error("memfd_create failed");
  path_ = "/proc/self/fd/" + std::to_string(descriptor_);
}

MemoryFile::~MemoryFile() { ::close(descriptor_); }

void MemoryFile::assign(std::string_view bytes) {
  const auto size = static_cast<std::int64_t>(bytes.size());
  if (::pwrite(descriptor_, bytes.data(), bytes.size(), 0) != size || ::ftruncate(descriptor_, size) != 0) {
    throw std::runtime_error("writing a memory file failed");
  }
}

}  // namespace coppice::fuzz
