#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/gzip.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

struct Document {
  unsigned type = 8;
  std::vector<std::uint32_t> sizes;
  std::string data;
};

const std::vector<unsigned> kTypes = {8, 12, 13, 14};

std::uint64_t width_of(unsigned type) { return type == 8 ? 1 : type == 14 ? 8 : 4; }

void fit_data(Document& document) {
  std::uint64_t bytes = width_of(document.type);
  for (const std::uint32_t size : document.sizes) {
    if (__builtin_mul_overflow(bytes, size, &bytes) || bytes > 4096) return;
  }
  document.data.resize(bytes);
}

Document draw(Mutator& mutator) {
  Document document{.type = mutator.pick(kTypes), .sizes = {}, .data = {}};
  for (std::uint64_t rank = 1 + mutator.below(4); rank > 0; --rank) {
    document.sizes.push_back(static_cast<std::uint32_t>(mutator.below(6)));
  }
  fit_data(document);
  return document;
}

void change(Document& document, Mutator& mutator) {
  switch (mutator.below(4)) {
    case 0:
      document.type = mutator.chance(0.2) ? static_cast<unsigned>(mutator.below(256)) : mutator.pick(kTypes);
      break;
    case 1: {
      std::uint32_t& size = document.sizes[mutator.below(document.sizes.size())];
      size = static_cast<std::uint32_t>(mutator.number_near(size));
      break;
    }
    case 2: document.sizes.resize(1 + mutator.below(12), 1); break;
    default: mutator.flip_bits(document.data, 0, document.data.size()); return;
  }
  if (mutator.chance(0.6)) fit_data(document);
}

std::string put_together(const Document& document, Mutator& mutator) {
  std::string bytes(2, '\0');
  bytes += static_cast<char>(document.type);
  bytes += static_cast<char>(mutator.chance(0.03) ? mutator.below(256) : document.sizes.size());
  for (const std::uint32_t size : document.sizes) {
    for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(size >> shift);
  }
  bytes += document.data;
  if (mutator.chance(0.1)) mutator.change_bytes(bytes);
  if (mutator.chance(0.3)) {
    bytes = deflate(bytes, Wrapper::Gzip);
    if (mutator.chance(0.3)) mutator.change_bytes(bytes);
  }
  return bytes;
}

TEST(Mutations, Idx) {
  run({.format = "idx",
       .target = idx,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             Document document = draw(mutator);
             for (std::uint64_t changes = mutator.below(3); changes > 0; --changes) change(document, mutator);
             return put_together(document, mutator);
           },
       .fixed_bytes = 128 << 10,  // zlib's window and buffers
       .per_byte = 1032,          // the most that deflate makes of a byte
       .kinds_of_error = 8});
}

}  // namespace
}  // namespace coppice::fuzz
