#include <gtest/gtest.h>

#include <cstring>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

std::string draw(Mutator& mutator) {
  std::uint64_t width = 1 + mutator.below(5), height = 1 + mutator.below(5);
  std::string pixels(width * height * 8, '\0');
  mutator.flip_bits(pixels, 0, pixels.size());
  // From here on the header may say something else.
  if (mutator.chance(0.2)) width = mutator.number_near(width);
  if (mutator.chance(0.2)) height = mutator.number_near(height);
  std::string bytes = "PIEH";
  for (const std::uint64_t size : {width, height}) {
    for (const unsigned shift : {0U, 8U, 16U, 24U}) bytes += static_cast<char>(size >> shift);
  }
  bytes += pixels;
  if (mutator.chance(0.3)) mutator.change_bytes(bytes);
  return bytes;
}

TEST(Mutations, Flo) {
  run({.format = "flo",
       .target = flo,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             return draw(mutator);
           },
       .fixed_bytes = 32 << 10,
       .per_byte = 8,
       .kinds_of_error = 4});
}

}  // namespace
}  // namespace coppice::fuzz
