#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/gzip.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

constexpr std::size_t kRecord = 1 + 3 * 32 * 32;

std::string draw(Mutator& mutator) {
  std::string bytes;
  for (std::uint64_t records = mutator.below(4); records > 0; --records) {
    bytes += static_cast<char>(mutator.chance(0.05) ? mutator.below(256) : mutator.below(10));
    bytes.append(kRecord - 1, static_cast<char>(mutator.below(256)));
  }
  // A gzip of zeros is smaller than what it becomes by the most that deflate manages.
  if (mutator.chance(0.001)) bytes.resize(kRecord * (1000 + mutator.below(1000)), '\0');
  if (mutator.chance(0.1)) mutator.change_bytes(bytes);
  if (bytes.size() > 10 * kRecord || mutator.chance(0.3)) {
    bytes = deflate(bytes, Wrapper::Gzip);
    if (mutator.chance(0.3)) mutator.change_bytes(bytes);
  }
  return bytes;
}

TEST(Mutations, Cifar10) {
  run({.format = "cifar10",
       .target = cifar10,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             return draw(mutator);
           },
       .fixed_bytes = 256 << 10,  // zlib's window and buffers
       .per_byte = 1032,          // the most that deflate makes of a byte
       .kinds_of_error = 3,
       .cases = 50'000});
}

}  // namespace
}  // namespace coppice::fuzz
