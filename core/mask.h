#pragma once

#include <bit>
#include <cstdint>
#include <iosfwd>
#include <memory>
#include <optional>
#include <span>
#include <string_view>
#include <utility>

#include <coppice/core/export.h>
#include <coppice/core/shape.h>
#include <coppice/core/storage.h>

namespace coppice {

class Generator;
class Tensor;

/// The structure a mask must keep. Rows are dimension 0, columns all others flattened.
///
/// Free           any set
/// Nm             at most N of every M neighbours of a row, whose length M divides (a vector is one row)
/// Block          r × c blocks of the matrix are all or nothing; blocks at the far edges may be cut
/// SharedColumns  V neighbouring rows have the same columns
/// Channels       whole channels: the product of a set of rows (outputs) and a set of dimension-1 indices (inputs)
struct COPPICE_API Pattern {
  enum class Kind : std::uint8_t { Free, Nm, Block, SharedColumns, Channels };
  Kind kind = Kind::Free;
  std::int32_t first = 0;   ///< N, r, or V
  std::int32_t second = 0;  ///< M or c

  static Pattern nm(int n, int m) { return {Kind::Nm, n, m}; }
  static Pattern block(int r, int c) { return {Kind::Block, r, c}; }
  static Pattern shared_columns(int v) { return {Kind::SharedColumns, v, 0}; }
  static Pattern channels() { return {Kind::Channels, 0, 0}; }
  /// `free`, `channels`, `2:4` or blocks as `8x1`, which is also how shared columns of 8 rows are written. Nothing for
  /// any other text.
  static std::optional<Pattern> from_text(std::string_view text);
  /// Blocks or shared columns: the set consists of whole blocks.
  bool has_blocks() const { return kind == Kind::Block || kind == Kind::SharedColumns; }
  std::int64_t block_rows() const { return has_blocks() ? first : 1; }
  std::int64_t block_columns() const { return kind == Kind::Block ? second : 1; }
  friend bool operator==(const Pattern&, const Pattern&) = default;
};

/// One bit per weight over a dense shape, with a rank directory: an immutable value that is cheap to copy.
///
/// Position p is the row-major index in the dense shape; the slot of a set position is its rank, the number of set
/// positions before it. Counts are exact. Costs 1.0625 bits per weight; at most 2^32 weights.
class COPPICE_API Mask {
 public:
  Mask() = default;
  static Mask none(const Shape& shape);
  static Mask all(const Shape& shape);
  /// Takes over 64-bit words, bit p % 64 of word p / 64 for position p. Throws where bits past the end are not 0.
  static Mask from_words(const Shape& shape, Buffer<std::uint64_t> words, Pattern pattern = {});
  /// Set at the given positions, in any order. Throws where one is out of range or given twice.
  static Mask from_positions(const Shape& shape, std::span<const std::int64_t> positions);
  /// Set where the bool (or u8) tensor is non-zero.
  static Mask from_tensor(const Tensor& tensor);
  /// Set where the dense tensor differs from 0.
  static Mask from_nonzero(const Tensor& tensor);
  /// Exactly `count` positions, uniformly at random (each of the C(numel, count) sets equally likely).
  static Mask random(const Shape& shape, std::int64_t count, Generator& generator);

  bool defined() const { return static_cast<bool>(data_); }
  const Shape& shape() const;
  Pattern pattern() const;
  /// The same set under a constraint. Throws `[Mask] …` if the set breaks it.
  Mask with_pattern(Pattern pattern) const;
  /// Whether the set meets a constraint that its shape allows.
  bool keeps(Pattern pattern) const;
  std::int64_t numel() const;
  std::int64_t count() const;
  /// The fraction set.
  double density() const;
  bool test(std::int64_t position) const;
  /// Number of set positions before `position`, in O(1). For a set position this is its slot.
  std::int64_t rank(std::int64_t position) const;
  /// The position of the set bit with that rank, in O(log numel).
  std::int64_t select(std::int64_t slot) const;
  std::span<const std::uint64_t> words() const;
  std::int64_t bytes() const;
  /// Equal for the same immutable value and unique among live and past masks otherwise: caches are keyed by it.
  std::uint64_t version() const;

  /// Calls visit(position, slot) for every set position in order.
  template <class Visit>
  void for_each(Visit&& visit) const {
    std::int64_t slot = 0;
    const std::span<const std::uint64_t> all_words = words();
    for (std::size_t w = 0; w < all_words.size(); ++w) {
      for (std::uint64_t word = all_words[w]; word != 0; word &= word - 1) {
        visit(static_cast<std::int64_t>(w * 64) + std::countr_zero(word), slot++);
      }
    }
  }

  /// A bool tensor of the dense shape.
  Tensor to_tensor() const;

  // Set algebra. Shapes must agree. Sets of whole blocks give sets of whole blocks, with the pattern of both (empty and
  // full sets consist of any blocks); what lies within an N:M set has its pattern; every other result is free.
  friend COPPICE_API Mask operator|(const Mask& a, const Mask& b);
  friend COPPICE_API Mask operator&(const Mask& a, const Mask& b);
  friend COPPICE_API Mask operator-(const Mask& a, const Mask& b);  ///< in a and not in b
  friend COPPICE_API Mask operator~(const Mask& a);
  /// Same shape and the same set.
  friend COPPICE_API bool operator==(const Mask& a, const Mask& b);
  bool is_subset_of(const Mask& other) const;
  /// |a ∩ b|
  static std::int64_t intersection_count(const Mask& a, const Mask& b);
  /// |a ∩ b| / |a ∪ b|; 1 for two empty masks.
  static double iou(const Mask& a, const Mask& b);

 private:
  struct Data;
  explicit Mask(std::shared_ptr<const Data> data) : data_(std::move(data)) {}
  /// Counts the words and lays out the directory.
  static Mask build(const Shape& shape, Buffer<std::uint64_t> words, Pattern pattern = {});
  template <class Combine>
  static Mask combine(const Mask& a, const Mask& b, const char* op, Pattern pattern, Combine combine);
  const Data& data() const;
  void check_pattern(Pattern pattern) const;
  std::shared_ptr<const Data> data_;
};

COPPICE_API std::ostream& operator<<(std::ostream& out, Pattern pattern);
/// `Mask (300, 784), 23520 of 235200 set (10.00 %)`
COPPICE_API std::ostream& operator<<(std::ostream& out, const Mask& mask);

}  // namespace coppice
