// The readers of trainers.

#include <cstdlib>
#include <span>

#include <coppice/core/error.h>
#include <coppice/trainers/checkpoint.h>
#include <coppice/trainers/data/cifar10.h>
#include <coppice/trainers/data/flow_file.h>
#include <coppice/trainers/data/image.h>
#include <coppice/trainers/recipe/recipe.h>
#include <coppice/trainers/results.h>

#include "tests/fuzz/memory_file.h"
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
  const std::string wide = error_of([&] { train::decode_png_16(as_bytes(bytes), "bytes"); });
  const std::string narrow = error_of([&] { train::decode_png(as_bytes(bytes), "bytes"); });
  if (wide.empty() && !narrow.empty()) std::abort();
  return narrow;
}

std::string jpeg(std::string_view bytes) {
  return error_of([&] { train::decode_jpeg(as_bytes(bytes), "bytes"); });
}

std::string pnm(std::string_view bytes) {
  const std::string narrow = error_of([&] { train::decode_pnm(as_bytes(bytes), "bytes"); });
  const std::string wide = error_of([&] { train::decode_pnm_16(as_bytes(bytes), "bytes"); });
  if (narrow != wide) std::abort();
  return narrow;
}

std::string flo(std::string_view bytes) {
  return error_of([&] { train::parse_flo(bytes, "bytes"); });
}

std::string cifar10(std::string_view bytes) {
  static MemoryFile file;
  file.assign(bytes);
  return error_of([&] { train::load_cifar10_file(file.path()); });
}

std::string recipe(std::string_view bytes) {
  return error_of([&] { train::parse_recipe(bytes, "bytes"); });
}

std::string results(std::string_view bytes) {
  return error_of([&] { train::results_from_json(bytes); });
}

std::string checkpoint(std::string_view bytes) {
  static MemoryFile file;
  file.assign(bytes);
  return error_of([&] { train::load_checkpoint(file.path()); });
}

}  // namespace coppice::fuzz
