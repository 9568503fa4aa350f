#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/generator.h>

namespace coppice::fuzz {

/// Draws changes that tend to upset readers. Everything depends on the generator alone.
class Mutator {
 public:
  explicit Mutator(Generator& generator) : generator_(generator) {}

  bool chance(double probability) { return generator_.uniform_double() < probability; }
  std::uint64_t below(std::uint64_t bound) { return generator_.below(bound); }
  template <class T>
  const T& pick(const std::vector<T>& options) {
    return options[below(options.size())];
  }

  /// A size or offset: mostly small, else near the limits of 8 to 64 bits.
  std::uint64_t number();
  /// `number`, near `old`, or its bits turned.
  std::uint64_t number_near(std::uint64_t old);

  /// Changes bytes: flips, sets, inserts, removes, repeats or cuts off a few.
  void change_bytes(std::string& bytes);
  /// Flips bits within [first, last), leaving the length.
  void flip_bits(std::string& bytes, std::size_t first, std::size_t last);
  /// Changes text: replaces a number, drops or repeats a token, or puts punctuation, a word of `words` or an odd
  /// character anywhere.
  void change_text(std::string& text, const std::vector<std::string>& words);

 private:
  Generator& generator_;

  /// A range of at most `most` of `size` positions.
  std::pair<std::size_t, std::size_t> range(std::size_t size, std::size_t most);
};

}  // namespace coppice::fuzz
