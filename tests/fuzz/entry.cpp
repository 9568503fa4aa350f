// What libFuzzer calls; COPPICE_FUZZ_TARGET names the reader.

#include <cstddef>
#include <cstdint>

#include "tests/fuzz/target.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
  coppice::fuzz::COPPICE_FUZZ_TARGET({reinterpret_cast<const char*>(data), size});
  return 0;
}
