// Whether a set keeps a pattern, and patterns as text.

#include <coppice/core/error.h>
#include <coppice/core/mask.h>

#include <algorithm>
#include <bit>
#include <charconv>
#include <optional>
#include <ostream>
#include <utility>
#include <vector>

namespace coppice {

namespace {

/// The set as a matrix: dimension 0 by everything else.
struct Matrix {
  explicit Matrix(const Mask& mask)
      : words(mask.words().data()),
        rows(mask.shape().empty() ? 1 : mask.shape()[0]),
        columns(rows == 0 ? 0 : mask.numel() / rows) {}
  bool test(std::int64_t row, std::int64_t column) const {
    const std::int64_t position = row * columns + column;
    return ((words[position / 64] >> (position % 64)) & 1U) != 0;
  }
  /// Up to 64 bits of a row from a column on.
  std::uint64_t bits(std::int64_t row, std::int64_t column, std::int64_t count) const {
    const std::int64_t position = row * columns + column;
    const std::int64_t shift = position % 64;
    std::uint64_t result = words[position / 64] >> shift;
    if (shift + count > 64) result |= words[position / 64 + 1] << (64 - shift);
    return count == 64 ? result : result & ((std::uint64_t{1} << count) - 1);
  }

  const std::uint64_t* words;
  std::int64_t rows;
  std::int64_t columns;
};

std::int64_t row_length(const Shape& shape) {
  if (shape.rank() < 2) return shape.numel();
  std::int64_t length = 1;
  for (int d = 1; d < shape.rank(); ++d) length *= shape[d];
  return length;
}

/// The first group of M that holds more than N.
std::optional<std::int64_t> crowded_group(const Mask& mask, std::int64_t n, std::int64_t m) {
  std::int64_t group = -1;
  std::int64_t in_group = 0;
  std::optional<std::int64_t> crowded;
  mask.for_each([&](std::int64_t position, std::int64_t) {
    in_group = position / m == group ? in_group + 1 : 1;
    group = position / m;
    if (in_group > n && !crowded) crowded = group;
  });
  return crowded;
}

/// Row and column of the first element that differs from the first one of its block.
std::optional<std::pair<std::int64_t, std::int64_t>> mixed_block(const Mask& mask, std::int64_t r, std::int64_t c) {
  const Matrix matrix(mask);
  for (std::int64_t first = 0; first < matrix.rows; first += r) {
    for (std::int64_t column = 0; c > 1 && column < matrix.columns; ++column) {
      if (matrix.test(first, column) != matrix.test(first, column / c * c)) return std::pair(first, column);
    }
    for (std::int64_t row = first + 1; row < std::min(first + r, matrix.rows); ++row) {
      for (std::int64_t column = 0; column < matrix.columns; column += 64) {
        const std::int64_t count = std::min<std::int64_t>(64, matrix.columns - column);
        const std::uint64_t differing = matrix.bits(first, column, count) ^ matrix.bits(row, column, count);
        if (differing != 0) return std::pair(row, column + std::countr_zero(differing));
      }
    }
  }
  return std::nullopt;
}

/// How many weights the whole channels that a set touches have.
std::int64_t channels_in_use(const Mask& mask) {
  const std::int64_t outputs = mask.shape().empty() ? 1 : mask.shape()[0];
  const std::int64_t inputs = mask.shape().rank() < 2 ? 1 : mask.shape()[1];
  if (mask.numel() == 0) return 0;
  const std::int64_t inner = mask.numel() / (outputs * inputs);
  std::vector<bool> output_used(static_cast<std::size_t>(outputs));
  std::vector<bool> input_used(static_cast<std::size_t>(inputs));
  mask.for_each([&](std::int64_t position, std::int64_t) {
    output_used[static_cast<std::size_t>(position / (inputs * inner))] = true;
    input_used[static_cast<std::size_t>(position / inner % inputs)] = true;
  });
  // The set lies within the product of the channels it touches, so an equal count makes it that product.
  return std::ranges::count(output_used, true) * std::ranges::count(input_used, true) * inner;
}

bool has_sense(Pattern pattern) {
  switch (pattern.kind) {
    case Pattern::Kind::Nm: return pattern.first >= 1 && pattern.second >= pattern.first;
    case Pattern::Kind::Block: return pattern.first >= 1 && pattern.second >= 1;
    case Pattern::Kind::SharedColumns: return pattern.first >= 1;
    case Pattern::Kind::Free:
    case Pattern::Kind::Channels: break;
  }
  return true;
}

void check_nm(const Mask& mask, std::int64_t n, std::int64_t m) {
  COPPICE_CHECK(n >= 1 && m >= n, "[Mask] an N:M pattern expects 1 <= N <= M; got ", n, ":", m);
  COPPICE_CHECK(row_length(mask.shape()) % m == 0, "[Mask] pattern ", n, ":", m, " expects rows whose length ", m,
                " divides; got ", mask.shape());
  const std::optional<std::int64_t> crowded = crowded_group(mask, n, m);
  COPPICE_CHECK(!crowded, "[Mask] pattern ", n, ":", m, " allows ", n, " of every ", m,
                " neighbours; got more at positions ", *crowded * m, " to ", *crowded * m + m - 1, " of ",
                mask.shape());
}

void check_blocks(const Mask& mask, Pattern pattern) {
  COPPICE_CHECK(has_sense(pattern), "[Mask] a pattern of blocks expects sizes of at least 1; got ",
                pattern.block_rows(), " and ", pattern.block_columns());
  const auto mixed = mixed_block(mask, pattern.block_rows(), pattern.block_columns());
  COPPICE_CHECK(!mixed, "[Mask] a pattern of ", pattern.block_rows(), " x ", pattern.block_columns(),
                " expects blocks that are all or nothing; got a mixed one at row ", mixed->first, ", column ",
                mixed->second, " of ", mask.shape());
}

void check_channels(const Mask& mask) {
  const std::int64_t product = channels_in_use(mask);
  COPPICE_CHECK(mask.count() == product, "[Mask] a channels pattern expects whole channels, ", product,
                " weights for those in use; got ", mask);
}

}  // namespace

void Mask::check_pattern(Pattern pattern) const {
  switch (pattern.kind) {
    case Pattern::Kind::Free: return;
    case Pattern::Kind::Nm: return check_nm(*this, pattern.first, pattern.second);
    case Pattern::Kind::Block:
    case Pattern::Kind::SharedColumns: return check_blocks(*this, pattern);
    case Pattern::Kind::Channels: return check_channels(*this);
  }
}

bool Mask::keeps(Pattern pattern) const {
  if (pattern == this->pattern()) return true;
  if (!has_sense(pattern)) return false;
  switch (pattern.kind) {
    case Pattern::Kind::Free: break;
    case Pattern::Kind::Nm:
      return row_length(shape()) % pattern.second == 0 && !crowded_group(*this, pattern.first, pattern.second);
    case Pattern::Kind::Block:
    case Pattern::Kind::SharedColumns: return !mixed_block(*this, pattern.block_rows(), pattern.block_columns());
    case Pattern::Kind::Channels: return count() == channels_in_use(*this);
  }
  return true;
}

std::optional<Pattern> Pattern::from_text(std::string_view text) {
  if (text == "free") return Pattern();
  if (text == "channels") return channels();
  const char* const end = text.data() + text.size();
  int first = 0;
  int second = 0;
  const auto [between, error] = std::from_chars(text.data(), end, first);
  if (error != std::errc() || between == end || (*between != ':' && *between != 'x')) return std::nullopt;
  const auto [last, second_error] = std::from_chars(between + 1, end, second);
  const Pattern pattern = *between == ':' ? nm(first, second) : block(first, second);
  if (second_error != std::errc() || last != end || !has_sense(pattern)) return std::nullopt;
  return pattern;
}

std::ostream& operator<<(std::ostream& out, Pattern pattern) {
  switch (pattern.kind) {
    case Pattern::Kind::Free: return out << "free";
    case Pattern::Kind::Nm: return out << pattern.first << ':' << pattern.second;
    case Pattern::Kind::Block:
    case Pattern::Kind::SharedColumns: return out << pattern.block_rows() << 'x' << pattern.block_columns();
    case Pattern::Kind::Channels: break;
  }
  return out << "channels";
}

}  // namespace coppice
