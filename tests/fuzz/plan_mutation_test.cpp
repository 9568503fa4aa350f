#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

TEST(Mutations, Plan) {
  const std::string seed =
      "# coppice tune\n@isa = AVX2\n@threads = 1\n@commit =\n"
      "conv2d/forward 128x64x32x32 * 64x64x3x3 padding 1x1 blocked float32 3686 alive = blocked/rows\n"
      "conv2d/weight_gradient 8x3x5x5 * 4x3x1x1 contiguous float64 = im2col\n\n"
      "linear/data_gradient 64 * 10x100 float32 500 alive = csc/panel\n";
  run({.format = "plan",
       .target = plan,
       .make =
           [&](Generator& generator) {
             static const std::vector<std::string> kWords = {
                 "=",      "@",        "#", "\n", "\r\n", " = dense\n", "a = b\n", "conv2d/", "linear/forward ",
                 "im2col", "@isa = \n"};
             Mutator mutator(generator);
             std::string text = seed;
             for (std::uint64_t changes = mutator.below(4); changes > 0; --changes) mutator.change_text(text, kWords);
             if (mutator.chance(0.1)) mutator.change_bytes(text);
             return text;
           },
       .fixed_bytes = 64 << 10,
       .per_byte = 200,
       .kinds_of_error = 5});
}

}  // namespace
}  // namespace coppice::fuzz
