// The readers of trainers.

#include <span>

#include <coppice/core/error.h>
#include <coppice/trainers/data/image.h>

#include "tests/fuzz/target.h"

namespace coppice::fuzz {

namespace {

template <class Read>
std::string error_of(Read read) {
  try {
    read();
  } catch (const Error& error) {
    return error.what();
  }
  return {};
}

std::span<const std::byte> as_bytes(std::string_view bytes) { return std::as_bytes(std::span(bytes)); }

}  // namespace

std::string png(std::string_view bytes) {
  return error_of([&] { train::decode_png(as_bytes(bytes), "bytes"); });
}

std::string jpeg(std::string_view bytes) {
  return error_of([&] { train::decode_jpeg(as_bytes(bytes), "bytes"); });
}

}  // namespace coppice::fuzz
