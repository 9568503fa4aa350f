#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

std::string draw(Mutator& mutator) {
  static const std::vector<std::string> kKinds = {"P2", "P3", "P5", "P6"};
  static const std::vector<std::uint64_t> kLargest = {1, 3, 255, 256, 65535};
  static const std::vector<std::string> kSpaces = {" ", "\n", "\t", "#a comment\n", " \r\n"};
  const std::string kind = mutator.pick(kKinds);
  std::uint64_t width = 1 + mutator.below(6), height = 1 + mutator.below(6), largest = mutator.pick(kLargest);
  const bool plain = kind[1] < '4';
  const std::uint64_t samples = width * height * (kind == "P3" || kind == "P6" ? 3 : 1);
  std::string pixels;
  for (std::uint64_t i = 0; i < samples; ++i) {
    const std::uint64_t value = mutator.below(largest + 1);
    if (plain) {
      pixels += std::to_string(value);
      pixels += mutator.pick(kSpaces);
    } else {
      if (largest > 255) pixels += static_cast<char>(value >> 8);
      pixels += static_cast<char>(value & 255);
    }
  }

  // From here on the header may say something else.
  if (mutator.chance(0.1)) width = mutator.number_near(width);
  if (mutator.chance(0.1)) height = mutator.number_near(height);
  if (mutator.chance(0.1)) largest = mutator.number_near(largest);
  std::string header = kind;
  for (const std::uint64_t number : {width, height, largest}) {
    header += mutator.pick(kSpaces);
    header += std::to_string(number);
  }
  header += '\n';
  if (mutator.chance(0.1)) mutator.change_text(header, {"P7", "#", "-1", "0x1"});
  header += pixels;
  if (mutator.chance(0.15)) mutator.change_bytes(header);
  return header;
}

TEST(Mutations, Pnm) {
  run({.format = "pnm",
       .target = pnm,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             return draw(mutator);
           },
       .fixed_bytes = 32 << 10,
       .per_byte = 8,
       .kinds_of_error = 8});
}

}  // namespace
}  // namespace coppice::fuzz
