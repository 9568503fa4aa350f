#include <coppice/core/shape.h>

#include <algorithm>
#include <ostream>

#include <coppice/core/error.h>

namespace coppice {

Dims::Dims(std::initializer_list<std::int64_t> values) : Dims(std::span(values.begin(), values.size())) {}

Dims::Dims(std::span<const std::int64_t> values) {
  COPPICE_CHECK(values.size() <= kMaxRank, "[Dims] at most ", kMaxRank, " dimensions; got ", values.size());
  std::copy(values.begin(), values.end(), values_.begin());
  rank_ = static_cast<int>(values.size());
}

void Dims::push_back(std::int64_t value) { insert(rank_, value); }

void Dims::insert(int position, std::int64_t value) {
  COPPICE_CHECK(rank_ < kMaxRank, "[Dims] at most ", kMaxRank, " dimensions; got one more than ", *this);
  COPPICE_CHECK(position >= 0 && position <= rank_, "[Dims] cannot insert at ", position, " of ", *this);
  std::copy_backward(values_.begin() + position, values_.begin() + rank_, values_.begin() + rank_ + 1);
  values_[static_cast<std::size_t>(position)] = value;
  ++rank_;
}

void Dims::erase(int position) {
  position = wrap(position);
  std::copy(values_.begin() + position + 1, values_.begin() + rank_, values_.begin() + position);
  values_[static_cast<std::size_t>(--rank_)] = 0;
}

void Dims::out_of_range(int index) const {
  detail::fail("[Dims] index ", index, " is out of range; got ", *this, " of rank ", rank_);
}

bool Dims::equals(const Dims& other) const { return std::equal(begin(), end(), other.begin(), other.end()); }

void Shape::validate() const {
  std::int64_t count = 1;
  for (const std::int64_t size : *this) {
    COPPICE_CHECK(size >= 0, "[Shape] sizes must not be negative; got ", *this);
    // A size of 0 counts as 1, so that strides and partial products stay in range too.
    COPPICE_CHECK(!__builtin_mul_overflow(count, std::max<std::int64_t>(size, 1), &count),
                  "[Shape] the number of elements overflows 64 bits; got ", *this);
  }
}

Strides contiguous_strides(const Shape& shape) {
  Strides strides(shape.span());
  std::int64_t step = 1;
  for (int dim = shape.rank() - 1; dim >= 0; --dim) {
    strides[dim] = step;
    step *= std::max<std::int64_t>(shape[dim], 1);
  }
  return strides;
}

Shape broadcast_shapes(const Shape& a, const Shape& b, const char* op) {
  const Shape& longer = a.rank() >= b.rank() ? a : b;
  const Shape& shorter = a.rank() >= b.rank() ? b : a;
  Dims result = longer;
  for (int dim = 1; dim <= shorter.rank(); ++dim) {
    const std::int64_t left = longer[-dim], right = shorter[-dim];
    COPPICE_CHECK(left == right || left == 1 || right == 1, "[", op, "] shapes must broadcast; got ", a, " and ", b,
                  ", which differ in dimension ", -dim);
    result[-dim] = left == 1 ? right : left;
  }
  return Shape(result);
}

std::ostream& operator<<(std::ostream& out, const Dims& dims) {
  out << '(';
  for (int i = 0; i < dims.rank(); ++i) out << (i ? ", " : "") << dims[i];
  return out << ')';
}

int normalize_dim(int dim, int rank, const char* op) {
  const int count = std::max(rank, 1);
  COPPICE_CHECK(dim >= -count && dim < count, "[", op, "] dimension must be in [", -count, ", ", count, "); got ", dim);
  return dim < 0 ? dim + count : dim;
}

}  // namespace coppice
