#include <coppice/core/generator.h>

#include <cmath>
#include <numbers>
#include <numeric>

#include <coppice/core/error.h>

namespace coppice {

namespace {

constexpr std::uint32_t low(std::uint64_t value) { return static_cast<std::uint32_t>(value); }
constexpr std::uint32_t high(std::uint64_t value) { return static_cast<std::uint32_t>(value >> 32); }

/// FNV-1a, 64 bits.
std::uint64_t hash_name(std::string_view name) {
  std::uint64_t hash = 0xCBF29CE484222325U;
  for (const char c : name) hash = (hash ^ static_cast<unsigned char>(c)) * 0x100000001B3U;
  return hash;
}

/// The finaliser of SplitMix64: a bijection that spreads every bit.
std::uint64_t mix(std::uint64_t value) {
  value += 0x9E3779B97F4A7C15U;
  value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9U;
  value = (value ^ (value >> 27)) * 0x94D049BB133111EBU;
  return value ^ (value >> 31);
}

}  // namespace

std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const std::uint64_t product0 = std::uint64_t{0xD2511F53U} * counter[0];
    const std::uint64_t product1 = std::uint64_t{0xCD9E8D57U} * counter[2];
    counter = {high(product1) ^ counter[1] ^ key[0], low(product1), high(product0) ^ counter[3] ^ key[1],
               low(product0)};
    key[0] += 0x9E3779B9U;
    key[1] += 0xBB67AE85U;
  }
  return counter;
}

Generator Generator::keyed(std::uint64_t seed, std::string_view name, std::uint64_t number) {
  return Generator(seed, mix(mix(hash_name(name)) + number));
}

std::array<std::uint32_t, 4> Generator::block(std::uint64_t index) const {
  return philox({low(index), high(index), low(stream_), high(stream_)}, {low(seed_), high(seed_)});
}

std::uint32_t Generator::word(std::uint64_t index) const { return block(index / 4)[index % 4]; }

std::uint64_t Generator::next_u64() {
  const std::uint64_t first = next_u32();
  return first | (std::uint64_t{next_u32()} << 32);
}

std::uint64_t Generator::below(std::uint64_t bound) {
  COPPICE_CHECK(bound >= 1, "[Generator] below expects a bound of at least 1; got 0");
  // Lemire, ACM TOMACS 2019: the high half of a product is unbiased once the few short intervals are rejected.
  using Wide = unsigned __int128;
  Wide product = static_cast<Wide>(next_u64()) * bound;
  if (static_cast<std::uint64_t>(product) < bound) {
    const std::uint64_t threshold = (0 - bound) % bound;
    while (static_cast<std::uint64_t>(product) < threshold) product = static_cast<Wide>(next_u64()) * bound;
  }
  return static_cast<std::uint64_t>(product >> 64);
}

double Generator::normal() {
  // The sine half is not kept: a draw is always four words, so positions stay predictable.
  const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform_double()));
  return radius * std::cos(2.0 * std::numbers::pi * uniform_double());
}

std::vector<std::int64_t> Generator::permutation(std::int64_t n) {
  COPPICE_CHECK(n >= 0, "[Generator] permutation expects a length of at least 0; got ", n);
  std::vector<std::int64_t> order(static_cast<std::size_t>(n));
  std::iota(order.begin(), order.end(), std::int64_t{0});
  for (std::size_t i = order.size(); i > 1; --i) std::swap(order[i - 1], order[below(i)]);
  return order;
}

}  // namespace coppice
