// The readers of core/io, and of plans.

#include <cstdlib>

#include <coppice/core/error.h>
#include <coppice/core/io/idx.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/io/pth.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/io/sparse_pattern.h>
#include <coppice/ops/plan.h>

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

template <class Parse>
std::string parse_bytes(std::string_view bytes, Parse parse) {
  try {
    parse(bytes, "bytes");
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
  const std::string from_memory = parse_bytes(bytes, parse_npy);
  if (from_file.empty() != from_memory.empty()) std::abort();
  return from_file;
}

std::string pth(std::string_view bytes) { return read_file(bytes, load_pth); }

std::string matrix_market(std::string_view bytes) { return parse_bytes(bytes, parse_matrix_market); }

std::string smtx(std::string_view bytes) { return parse_bytes(bytes, parse_smtx); }

std::string plan(std::string_view bytes) {
  return parse_bytes(bytes, [](std::string_view text, const std::string& file) {
    const Plan plan = Plan::parse(text, file);
    if (Plan::parse(plan.to_string()) != plan) std::abort();
    plan.check();
  });
}

}  // namespace coppice::fuzz
