#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <iosfwd>
#include <span>

#include <coppice/core/export.h>

namespace coppice {

/// The largest number of dimensions of a tensor.
inline constexpr int kMaxRank = 8;

/// Up to kMaxRank integers, held inline: the common part of Shape and Strides.
class COPPICE_API Dims {
 public:
  Dims() = default;
  Dims(std::initializer_list<std::int64_t> values);
  explicit Dims(std::span<const std::int64_t> values);

  int rank() const { return rank_; }
  bool empty() const { return rank_ == 0; }
  /// Element `index`; a negative index counts from the end. Throws when out of range.
  std::int64_t operator[](int index) const { return values_[static_cast<std::size_t>(wrap(index))]; }
  std::int64_t& operator[](int index) { return values_[static_cast<std::size_t>(wrap(index))]; }
  std::int64_t back() const { return (*this)[-1]; }
  void push_back(std::int64_t value);
  void insert(int position, std::int64_t value);
  void erase(int position);

  const std::int64_t* begin() const { return values_.data(); }
  const std::int64_t* end() const { return values_.data() + rank_; }
  std::span<const std::int64_t> span() const { return {values_.data(), static_cast<std::size_t>(rank_)}; }
  friend bool operator==(const Dims& a, const Dims& b) { return a.equals(b); }

 private:
  int wrap(int index) const {
    const int wrapped = index < 0 ? index + rank_ : index;
    if (wrapped < 0 || wrapped >= rank_) [[unlikely]]
      out_of_range(index);
    return wrapped;
  }
  [[noreturn]] void out_of_range(int index) const;
  bool equals(const Dims& other) const;

  std::array<std::int64_t, kMaxRank> values_{};
  int rank_ = 0;
};

/// The sizes of a tensor, outermost first. `Shape{}` is a scalar. Throws on negative sizes or overflow of the count.
class COPPICE_API Shape : public Dims {
 public:
  Shape() = default;
  Shape(std::initializer_list<std::int64_t> sizes) : Dims(sizes) { validate(); }
  explicit Shape(std::span<const std::int64_t> sizes) : Dims(sizes) { validate(); }
  explicit Shape(const Dims& sizes) : Dims(sizes) { validate(); }

  /// Number of elements: the product of the sizes, 1 for a scalar.
  std::int64_t numel() const {
    std::int64_t count = 1;
    for (const std::int64_t size : *this) count *= size;
    return count;
  }

 private:
  void validate() const;
};

/// Steps between neighbouring elements, in elements (not bytes), outermost first.
class COPPICE_API Strides : public Dims {
 public:
  using Dims::Dims;
};

/// Row-major strides of a shape.
COPPICE_API Strides contiguous_strides(const Shape& shape);
/// The common shape of two operands by the usual broadcasting rule. Throws `[op] …` naming both shapes.
COPPICE_API Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op);
/// `(8, 32, 56, 56)`
COPPICE_API std::ostream& operator<<(std::ostream& out, const Dims& dims);
/// `dim` wrapped into [0, rank); throws `[op] …` when out of range. A scalar counts as rank 1.
COPPICE_API int normalize_dim(int dim, int rank, const char* op);

}  // namespace coppice
