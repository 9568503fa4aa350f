#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>

namespace coppice {

/// One block of Philox4x32-10: four 32-bit words from a 128-bit counter and a 64-bit key.
/// Source: Salmon et al., SC 2011.
COPPICE_API std::array<std::uint32_t, 4> philox(std::array<std::uint32_t, 4> counter, std::array<std::uint32_t, 2> key);

/// A counter-based random stream: integers and uniforms are bitwise the same on every device and for any number of
/// threads, because word i of the stream depends on (seed, stream, i) alone. Copying copies the position.
class COPPICE_API Generator {
 public:
  explicit Generator(std::uint64_t seed = 0, std::uint64_t stream = 0) : seed_(seed), stream_(stream) {}
  /// The stream that belongs to a named thing at a numbered event, e.g. a parameter's mask at an update: independent
  /// of every other name and number, and of how many draws were made elsewhere.
  /// stream = mix(mix(FNV-1a-64(name)) + number), mix being the finaliser of SplitMix64.
  static Generator keyed(std::uint64_t seed, std::string_view name, std::uint64_t number = 0);

  std::uint64_t seed() const { return seed_; }
  std::uint64_t stream() const { return stream_; }
  /// Position in 32-bit words; settable so that a run can resume.
  std::uint64_t offset() const { return offset_; }
  void set_offset(std::uint64_t offset) { offset_ = offset; }

  /// Word `index` of the stream, whatever the position.
  std::uint32_t word(std::uint64_t index) const;

  std::uint32_t next_u32() {
    if (offset_ / 4 != cached_index_) {
      cached_index_ = offset_ / 4;
      cached_ = block(cached_index_);
    }
    return cached_[offset_++ % 4];
  }
  std::uint64_t next_u64();
  /// Uniform in [0, 1) with 24 bits.
  float uniform() { return static_cast<float>(next_u32() >> 8) * 0x1p-24F; }
  /// Uniform in [0, 1) with 53 bits.
  double uniform_double() { return static_cast<double>(next_u64() >> 11) * 0x1p-53; }
  /// Uniform integer in [0, bound), without bias; bound ≥ 1.
  std::uint64_t below(std::uint64_t bound);
  /// Standard normal (Box-Muller).
  double normal();
  /// A uniformly random order of 0 … n-1.
  std::vector<std::int64_t> permutation(std::int64_t n);

 private:
  std::uint64_t seed_ = 0;
  std::uint64_t stream_ = 0;
  std::uint64_t offset_ = 0;
  std::uint64_t cached_index_ = ~std::uint64_t{0};  // the block of words last computed by next_u32
  std::array<std::uint32_t, 4> cached_{};

  std::array<std::uint32_t, 4> block(std::uint64_t index) const;
};

}  // namespace coppice
