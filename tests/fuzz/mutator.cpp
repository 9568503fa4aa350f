#include "tests/fuzz/mutator.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <utility>

namespace coppice::fuzz {

std::uint64_t Mutator::number() {
  if (chance(0.6)) return below(12);
  constexpr std::array<int, 9> kWidths{7, 8, 15, 16, 31, 32, 62, 63, 64};
  const int width = kWidths[below(kWidths.size())];
  const std::uint64_t power = width == 64 ? 0 : std::uint64_t{1} << width;
  return power + below(3) - 1;  // wraps at 2^64
}

std::uint64_t Mutator::number_near(std::uint64_t old) {
  switch (below(4)) {
    case 0: return number();
    case 1: return old ^ (std::uint64_t{1} << below(64));
    case 2: return old * (2 + below(8));
    default: return old + below(9) - 4;
  }
}

std::pair<std::size_t, std::size_t> Mutator::range(std::size_t size, std::size_t most) {
  const std::size_t first = below(size + 1);
  return {first, first + below(std::min(size - first, most) + 1)};
}

void Mutator::change_bytes(std::string& bytes) {
  const std::uint64_t kind = below(6);
  if (bytes.empty() || kind == 0) {
    std::string added(1 + below(8), '\0');
    for (char& c : added) c = static_cast<char>(below(256));
    bytes.insert(below(bytes.size() + 1), added);
  } else if (kind == 1) {
    bytes.resize(below(bytes.size()));
  } else if (kind == 2) {
    const auto [first, last] = range(bytes.size(), 16);
    bytes.erase(first, last - first);
  } else if (kind == 3) {
    const auto [first, last] = range(bytes.size(), 64);
    bytes.insert(below(bytes.size() + 1), bytes.substr(first, last - first));
  } else if (kind == 4) {
    constexpr std::array<int, 5> kBytes{0x00, 0x01, 0x7F, 0x80, 0xFF};
    bytes[below(bytes.size())] = static_cast<char>(kBytes[below(kBytes.size())]);
  } else {
    flip_bits(bytes, 0, bytes.size());
  }
}

void Mutator::flip_bits(std::string& bytes, std::size_t first, std::size_t last) {
  if (first >= last) return;
  for (std::uint64_t flips = 1 + below(4); flips > 0; --flips) {
    char& byte = bytes[first + below(last - first)];
    byte = static_cast<char>(static_cast<unsigned char>(byte) ^ (1U << below(8)));
  }
}

void Mutator::change_text(std::string& text, const std::vector<std::string>& words) {
  const auto digit = [](char c) { return std::isdigit(static_cast<unsigned char>(c)) != 0; };
  const std::size_t at = below(text.size() + 1);
  switch (below(6)) {
    case 0: {  // the next number becomes another one
      const auto first = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at), text.end(), digit);
      const auto last = std::find_if_not(first, text.end(), digit);
      if (first == last) return;
      std::string digits;
      if (chance(0.1)) {
        digits = std::string(1 + below(40), '9');
      } else {
        digits = std::to_string(number());
        if (chance(0.2)) digits.insert(0, "-");
        if (chance(0.1)) digits += chance(0.5) ? ".5" : "e3";
      }
      text.replace(first, last, digits);
      return;
    }
    case 1: {
      const auto [first, last] = range(text.size(), 12);
      text.erase(first, last - first);
      return;
    }
    case 2: {
      const auto [first, last] = range(text.size(), 40);
      text.insert(at, text.substr(first, last - first));
      return;
    }
    case 3: {
      constexpr std::string_view kPunctuation = "{}[](),:;='\"\\/#.+-_ \n\t";
      text.insert(at, 1, kPunctuation[below(kPunctuation.size())]);
      return;
    }
    case 4:
      if (!words.empty()) text.insert(at, pick(words));
      return;
    default: {
      constexpr std::array<std::string_view, 5> kOdd{std::string_view("\0", 1), "\xFF", "\xC3", "\xF0\x9F\x8C\xB1",
                                                     "\xED\xA0\x80"};
      text.insert(at, kOdd[below(kOdd.size())]);
    }
  }
}

}  // namespace coppice::fuzz
