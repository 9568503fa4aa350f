#include <gtest/gtest.h>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

struct Type {
  std::string name;
  std::uint64_t width;
};

const std::vector<Type> kTypes = {{"|b1", 1}, {"|u1", 1}, {"<i4", 4}, {"<i8", 8}, {"<f2", 2}, {"<f4", 4}, {"<f8", 8}};

std::string draw(Mutator& mutator) {
  Type type = mutator.pick(kTypes);
  std::vector<std::uint64_t> sizes;
  for (std::uint64_t rank = mutator.below(4); rank > 0; --rank) sizes.push_back(mutator.below(6));
  std::uint64_t elements = 1;
  for (const std::uint64_t size : sizes) elements *= size;
  std::string data(elements * type.width, '\0');
  if (mutator.chance(0.5)) mutator.flip_bits(data, 0, data.size());

  // From here on the header may say something else.
  const bool lies = mutator.chance(0.3);
  if (lies && !sizes.empty() && mutator.chance(0.5)) sizes[mutator.below(sizes.size())] = mutator.number();
  if (lies && mutator.chance(0.3)) type = mutator.pick(kTypes);
  std::string header = "{'descr': '" + type.name + "', 'fortran_order': False, 'shape': (";
  for (const std::uint64_t size : sizes) header += std::to_string(size) + ',';
  header += ')';
  header += '}';
  if (mutator.chance(0.3)) header += '\n';
  if (mutator.chance(0.2)) mutator.change_text(header, {"True", "'shape': (2,)", "\"descr\"", "0L", "None", "((", "("});
  const std::uint64_t length = mutator.chance(0.05) ? mutator.number_near(header.size()) : header.size();
  const bool longer = mutator.chance(0.3);
  std::string bytes = std::string("\x93NUMPY") + (longer ? '\2' : '\1') + '\0';
  for (unsigned shift = 0; shift < (longer ? 32U : 16U); shift += 8) bytes += static_cast<char>(length >> shift);
  bytes += header;
  bytes += data;
  if (mutator.chance(0.15)) mutator.change_bytes(bytes);
  return bytes;
}

TEST(Mutations, Npy) {
  run({.format = "npy",
       .target = npy,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             return draw(mutator);
           },
       .fixed_bytes = 32 << 10,
       .per_byte = 4,
       .kinds_of_error = 15});
}

}  // namespace
}  // namespace coppice::fuzz
