#include <gtest/gtest.h>
#include <zlib.h>

#include <array>

#include "tests/fuzz/campaign.h"
#include "tests/fuzz/gzip.h"
#include "tests/fuzz/mutator.h"

namespace coppice::fuzz {
namespace {

struct Chunk {
  std::string type;
  std::string data;
};

std::string big_endian(std::uint64_t value) {
  std::string bytes;
  for (const unsigned shift : {24U, 16U, 8U, 0U}) bytes += static_cast<char>(value >> shift);
  return bytes;
}

struct Header {
  std::uint64_t width = 1;
  std::uint64_t height = 1;
  unsigned depth = 8;
  unsigned colour = 0;
  bool interlaced = false;
};

/// One of the combinations of colour type and depth that the format allows.
Header draw_header(Mutator& mutator) {
  static const std::vector<std::pair<unsigned, unsigned>> kKinds = {{0, 1}, {0, 2},  {0, 4},  {0, 8}, {0, 16},
                                                                    {2, 8}, {2, 16}, {3, 1},  {3, 2}, {3, 4},
                                                                    {3, 8}, {4, 8},  {4, 16}, {6, 8}, {6, 16}};
  const auto [colour, depth] = mutator.pick(kKinds);
  return {.width = 1 + mutator.below(8),
          .height = 1 + mutator.below(8),
          .depth = depth,
          .colour = colour,
          .interlaced = mutator.chance(0.3)};
}

/// Filter bytes and pixels of all rows, or of all rows of the seven passes.
std::string draw_rows(const Header& header, Mutator& mutator) {
  constexpr std::array<unsigned, 7> kChannels{1, 0, 3, 1, 2, 0, 4};
  struct Pass {
    std::uint64_t x, y, dx, dy;
  };
  constexpr std::array<Pass, 7> kPasses{
      {{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}};
  std::string rows;
  for (std::size_t pass = 0; pass < (header.interlaced ? kPasses.size() : 1); ++pass) {
    const Pass p = header.interlaced ? kPasses[pass] : Pass{0, 0, 1, 1};
    if (header.width <= p.x) continue;
    const std::uint64_t columns = (header.width - p.x + p.dx - 1) / p.dx;
    const std::uint64_t bytes = (columns * kChannels[header.colour] * header.depth + 7) / 8;
    for (std::uint64_t y = p.y; y < header.height; y += p.dy) {
      rows += static_cast<char>(mutator.below(5));
      for (std::uint64_t i = 0; i < bytes; ++i) rows += static_cast<char>(mutator.below(4));
    }
  }
  return rows;
}

std::vector<Chunk> draw(Mutator& mutator) {
  Header header = draw_header(mutator);
  std::string rows = draw_rows(header, mutator);
  if (mutator.chance(0.15)) mutator.change_bytes(rows);
  std::string pixels = deflate(rows, Wrapper::Zlib);
  if (mutator.chance(0.1)) mutator.change_bytes(pixels);

  // From here on the header may say something else.
  if (mutator.chance(0.2)) header.width = mutator.number_near(header.width);
  if (mutator.chance(0.2)) header.height = mutator.number_near(header.height);
  if (mutator.chance(0.1)) header.interlaced = !header.interlaced;
  std::string first = big_endian(header.width) + big_endian(header.height);
  first += static_cast<char>(header.depth);
  first += static_cast<char>(header.colour);
  first += {'\0', '\0', header.interlaced ? '\1' : '\0'};
  if (mutator.chance(0.03)) mutator.flip_bits(first, 8, first.size());

  std::vector<Chunk> chunks = {{"IHDR", first}};
  if (header.colour == 3) chunks.push_back({"PLTE", std::string(3 * (1 + mutator.below(16)), '\x40')});
  if (mutator.chance(0.3)) chunks.push_back({"tRNS", std::string(1 + mutator.below(8), '\x01')});
  if (mutator.chance(0.2)) chunks.push_back({"tEXt", "Comment" + std::string(1, '\0') + "text"});
  if (mutator.chance(0.2))
    chunks.push_back({"zTXt", std::string("k\0\0", 3) + deflate(std::string(2000, 'x'), Wrapper::Zlib)});
  if (mutator.chance(0.1)) chunks.push_back({"gAMA", big_endian(mutator.number())});
  if (mutator.chance(0.1)) chunks.push_back({"iCCP", std::string("p\0\0", 3) + deflate("profile", Wrapper::Zlib)});
  const std::size_t cut = mutator.below(pixels.size() + 1);
  chunks.push_back({"IDAT", pixels.substr(0, cut)});
  if (mutator.chance(0.1)) chunks.push_back({"tIME", std::string(7, '\1')});
  chunks.push_back({"IDAT", pixels.substr(cut)});
  chunks.push_back({"IEND", ""});
  return chunks;
}

void change(std::vector<Chunk>& chunks, Mutator& mutator) {
  if (chunks.empty()) return;
  const std::size_t at = mutator.below(chunks.size());
  switch (mutator.below(5)) {
    case 0: chunks.erase(chunks.begin() + static_cast<std::ptrdiff_t>(at)); return;
    case 1:
      chunks.insert(chunks.begin() + static_cast<std::ptrdiff_t>(mutator.below(chunks.size())), Chunk(chunks[at]));
      return;
    case 2: std::swap(chunks[at], chunks[mutator.below(chunks.size())]); return;
    case 3: mutator.change_bytes(chunks[at].data); return;
    default: mutator.flip_bits(chunks[at].type, 0, chunks[at].type.size());
  }
}

std::string put_together(const std::vector<Chunk>& chunks, Mutator& mutator) {
  std::string bytes("\x89PNG\r\n\x1A\n");
  for (const auto& [type, data] : chunks) {
    const std::string checked = type + data;
    std::uint64_t sum = ::crc32(0, reinterpret_cast<const Bytef*>(checked.data()), static_cast<uInt>(checked.size()));
    if (mutator.chance(0.01)) sum = mutator.number_near(sum);
    bytes += big_endian(mutator.chance(0.01) ? mutator.number_near(data.size()) : data.size());
    bytes += checked;
    bytes += big_endian(sum);
  }
  if (mutator.chance(0.05)) mutator.change_bytes(bytes);
  return bytes;
}

TEST(Mutations, Png) {
  run({.format = "png",
       .target = png,
       .make =
           [](Generator& generator) {
             Mutator mutator(generator);
             std::vector<Chunk> chunks = draw(mutator);
             if (mutator.chance(0.2)) change(chunks, mutator);
             return put_together(chunks, mutator);
           },
       .fixed_bytes = 256 << 10,   // libpng's and zlib's own
       .per_byte = 2 * 24 * 1032,  // what deflate makes of a byte, as 1-bit pixels of a palette in colour, twice
       .kinds_of_error = 25});
}

}  // namespace
}  // namespace coppice::fuzz
