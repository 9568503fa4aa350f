#include <fstream>
#include <iterator>

#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

std::string golden(const std::string& name) {
  std::ifstream in(COPPICE_SOURCE_DIR "/tests/golden/pth/" + name, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

constexpr std::size_t kLegacyPickles = 1500;  // bytes before the storages of legacy.pth

/// The format before zip archives has no checksum: changes reach the pickle and the tensors.
std::string draw_legacy(Mutator& mutator, std::string bytes) {
  if (mutator.chance(0.1)) return bytes;
  if (mutator.chance(0.3)) {
    mutator.flip_bits(bytes, 0, kLegacyPickles);
  } else if (mutator.chance(0.5)) {  // a code of the machine, anywhere
    static const std::string codes = std::string(
                                         "\x80\x95.N\x88\x89JKM\x8A\x8BGX\x8C\x8DUT}])(t\x85\x86\x87"
                                         "aesuqr\x94hjc\x93RbQ") +
                                     '\0';
    bytes[mutator.below(kLegacyPickles)] = codes[mutator.below(codes.size())];
  } else if (mutator.chance(0.5)) {  // some of it again
    const std::size_t from = mutator.below(kLegacyPickles), to = mutator.below(kLegacyPickles);
    bytes.insert(to, bytes.substr(from, mutator.below(60)));
  } else {
    mutator.change_bytes(bytes);
  }
  return bytes;
}

TEST(Mutations, Pth) {
  static const std::string legacy = golden("legacy.pth"), types = golden("types.pth");
  ASSERT_GT(legacy.size(), kLegacyPickles);
  run({.format = "pth",
       .target = pth,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             if (mutator.chance(0.6)) return draw_legacy(mutator, legacy);
             std::string zip = types;
             if (mutator.chance(0.9)) mutator.change_bytes(zip);
             return zip;
           },
       .fixed_bytes = 128 << 10,
       .per_byte = 512,
       .kinds_of_error = 20,
       .cases = 50'000});
}

}  // namespace
}  // namespace coppice::fuzz
