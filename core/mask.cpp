#include <coppice/core/mask.h>

#include <algorithm>
#include <array>
#include <atomic>
#include <cstring>
#include <ostream>
#include <utility>

#include <coppice/core/count_bits.h>
#include <coppice/core/dtype.h>
#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

namespace {

constexpr std::int64_t kWordBits = 64;
constexpr std::int64_t kWordsPerRank = 8;  // one directory entry every 512 positions
constexpr std::int64_t kMaxNumel = std::int64_t{1} << 32;
constexpr std::int64_t kGrainWords = 1024;

std::int64_t word_count(std::int64_t numel) { return (numel + kWordBits - 1) / kWordBits; }

template <class T>
Buffer<T> make_buffer(std::int64_t size) {
  return size == 0 ? Buffer<T>() : Buffer<T>(size);
}

void check_numel(const Shape& shape) {
  COPPICE_CHECK(shape.numel() <= kMaxNumel, "[Mask] holds at most 2^32 weights; got ", shape, "; split the tensor");
}

Buffer<std::uint64_t> filled_words(const Shape& shape, std::uint64_t value) {
  check_numel(shape);
  const std::int64_t numel = shape.numel();
  Buffer<std::uint64_t> words = make_buffer<std::uint64_t>(word_count(numel));
  std::fill(words.begin(), words.end(), value);
  if (const std::int64_t tail = numel % kWordBits; tail != 0) {
    words[words.size() - 1] &= (std::uint64_t{1} << tail) - 1;
  }
  return words;
}

bool test_bit(const std::uint64_t* words, std::int64_t position) {
  return ((words[position / kWordBits] >> (position % kWordBits)) & 1U) != 0;
}

void set_bit(std::uint64_t* words, std::int64_t position) {
  words[position / kWordBits] |= std::uint64_t{1} << (position % kWordBits);
}

/// Words whose bits are is_set(element) for the elements of a contiguous array.
template <class T, class IsSet>
Buffer<std::uint64_t> words_where(const Shape& shape, const T* elements, IsSet is_set) {
  check_numel(shape);
  const std::int64_t numel = shape.numel();
  Buffer<std::uint64_t> words = make_buffer<std::uint64_t>(word_count(numel));
  std::uint64_t* out = words.data();
  parallel_for(0, words.size(), kGrainWords, [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t w = first; w < last; ++w) {
      const std::int64_t begin = w * kWordBits;
      const std::int64_t length = std::min(kWordBits, numel - begin);
      std::uint64_t word = 0;
      for (std::int64_t b = 0; b < length; ++b) {
        word |= static_cast<std::uint64_t>(is_set(elements[begin + b])) << b;
      }
      out[w] = word;
    }
  });
  return words;
}

std::uint64_t next_version() {
  static std::atomic<std::uint64_t> last{0};
  return last.fetch_add(1, std::memory_order_relaxed) + 1;
}

}  // namespace

struct Mask::Data {
  Shape shape;
  Pattern pattern;
  Buffer<std::uint64_t> words;
  Buffer<std::uint32_t> ranks;  // set positions before each 512
  std::int64_t count = 0;
  std::uint64_t version = next_version();
};

const Mask::Data& Mask::data() const {
  COPPICE_CHECK(data_, "[Mask] is undefined; make one with Mask::all, none, random or from_tensor");
  return *data_;
}

Mask Mask::build(const Shape& shape, Buffer<std::uint64_t> words, Pattern pattern) {
  auto data = std::make_shared<Data>();
  data->shape = shape;
  data->pattern = pattern;
  data->ranks = make_buffer<std::uint32_t>((words.size() + kWordsPerRank - 1) / kWordsPerRank);
  parallel_for(0, data->ranks.size(), kGrainWords / kWordsPerRank, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t r = first; r < last; ++r) {
      const std::int64_t begin = r * kWordsPerRank;
      const std::int64_t length = std::min(kWordsPerRank, words.size() - begin);
      data->ranks[r] = detail::count_bits(words.data() + begin, length);
    }
  });
  std::int64_t count = 0;
  for (std::uint32_t& rank : data->ranks) count += std::exchange(rank, static_cast<std::uint32_t>(count));
  data->words = std::move(words);
  data->count = count;
  return Mask(std::move(data));
}

Mask Mask::none(const Shape& shape) { return build(shape, filled_words(shape, 0)); }

Mask Mask::all(const Shape& shape) { return build(shape, filled_words(shape, ~std::uint64_t{0})); }

Mask Mask::from_words(const Shape& shape, Buffer<std::uint64_t> words, Pattern pattern) {
  check_numel(shape);
  const std::int64_t numel = shape.numel();
  COPPICE_CHECK(words.size() == word_count(numel), "[Mask] from_words expects ", word_count(numel), " words for ",
                shape, "; got ", words.size());
  const std::int64_t tail = numel % kWordBits;
  COPPICE_CHECK(tail == 0 || (words[words.size() - 1] >> tail) == 0,
                "[Mask] from_words expects zero bits past the last of ", numel, " positions of ", shape);
  return build(shape, std::move(words)).with_pattern(pattern);
}

Mask Mask::with_pattern(Pattern pattern) const {
  if (pattern == this->pattern()) return *this;
  check_pattern(pattern);
  auto same_set = std::make_shared<Data>(*data_);
  same_set->pattern = pattern;
  same_set->version = next_version();
  return Mask(std::move(same_set));
}

Mask Mask::from_positions(const Shape& shape, std::span<const std::int64_t> positions) {
  Buffer<std::uint64_t> words = filled_words(shape, 0);
  const std::int64_t numel = shape.numel();
  for (const std::int64_t position : positions) {
    COPPICE_CHECK(position >= 0 && position < numel, "[Mask] from_positions expects positions in [0, ", numel,
                  "); got ", position, " for ", shape);
    COPPICE_CHECK(!test_bit(words.data(), position), "[Mask] from_positions got position ", position, " twice");
    set_bit(words.data(), position);
  }
  return build(shape, std::move(words));
}

Mask Mask::from_tensor(const Tensor& tensor) {
  COPPICE_CHECK(tensor.dtype() == kBool || tensor.dtype() == kUInt8, "[Mask] from_tensor expects bool or uint8; got ",
                tensor.dtype(), " ", tensor.shape(), "; from_nonzero takes any dtype");
  return from_nonzero(tensor);
}

Mask Mask::from_nonzero(const Tensor& tensor) {
  COPPICE_CHECK(tensor.layout() == Layout::Strided, "[Mask] from_nonzero expects a dense tensor; got ", tensor.layout(),
                " ", tensor.shape(), "; its alive set is weight_state().alive()");
  const Tensor dense = detail::raw_contiguous(tensor);
  return dispatch_dtype(dense.dtype(), "Mask", [&]<class T>() {
    return build(dense.shape(), words_where(dense.shape(), dense.data<T>(), [](T value) { return value != T{}; }));
  });
}

// Floyd's sampling: each of the C(numel, count) sets is equally likely, with `count` draws and no memory but the words.
// Source: Bentley & Floyd, CACM 30(9), 1987.
Mask Mask::random(const Shape& shape, std::int64_t count, Generator& generator) {
  const std::int64_t numel = shape.numel();
  COPPICE_CHECK(count >= 0 && count <= numel, "[Mask] random expects a count in [0, ", numel, "]; got ", count, " for ",
                shape);
  const bool inverted = count > numel / 2;
  const std::int64_t draws = inverted ? numel - count : count;
  Buffer<std::uint64_t> words = filled_words(shape, 0);
  for (std::int64_t last = numel - draws; last < numel; ++last) {
    const auto drawn = static_cast<std::int64_t>(generator.below(static_cast<std::uint64_t>(last) + 1));
    set_bit(words.data(), test_bit(words.data(), drawn) ? last : drawn);
  }
  const Mask mask = build(shape, std::move(words));
  return inverted ? ~mask : mask;
}

const Shape& Mask::shape() const { return data().shape; }
Pattern Mask::pattern() const { return data().pattern; }
std::int64_t Mask::numel() const { return data().shape.numel(); }
std::int64_t Mask::count() const { return data().count; }
std::uint64_t Mask::version() const { return data().version; }
std::int64_t Mask::bytes() const { return data().words.bytes() + data().ranks.bytes(); }

double Mask::density() const {
  const std::int64_t size = numel();
  return size == 0 ? 0.0 : static_cast<double>(count()) / static_cast<double>(size);
}

bool Mask::test(std::int64_t position) const {
  COPPICE_CHECK(position >= 0 && position < numel(), "[Mask] test expects a position in [0, ", numel(), "); got ",
                position);
  return test_bit(data_->words.data(), position);
}

std::int64_t Mask::rank(std::int64_t position) const {
  COPPICE_CHECK(position >= 0 && position <= numel(), "[Mask] rank expects a position in [0, ", numel(), "]; got ",
                position);
  if (position == numel()) return data_->count;
  const std::uint64_t* const words = data_->words.data();
  const std::int64_t word = position / kWordBits;
  const std::int64_t block = word / kWordsPerRank;
  std::int64_t before = data_->ranks[block];
  for (std::int64_t w = block * kWordsPerRank; w < word; ++w) before += std::popcount(words[w]);
  return before + std::popcount(words[word] & ((std::uint64_t{1} << (position % kWordBits)) - 1));
}

std::int64_t Mask::select(std::int64_t slot) const {
  COPPICE_CHECK(slot >= 0 && slot < count(), "[Mask] select expects a slot in [0, ", count(), "); got ", slot);
  const Buffer<std::uint32_t>& ranks = data_->ranks;
  const std::uint32_t* const next = std::upper_bound(ranks.begin(), ranks.end(), slot);
  std::int64_t word = (next - ranks.begin() - 1) * kWordsPerRank;
  std::int64_t left = slot - next[-1];
  const std::uint64_t* const words = data_->words.data();
  for (; left >= std::popcount(words[word]); ++word) left -= std::popcount(words[word]);
  std::uint64_t bits = words[word];
  for (; left > 0; --left) bits &= bits - 1;
  return word * kWordBits + std::countr_zero(bits);
}

std::span<const std::uint64_t> Mask::words() const {
  const Buffer<std::uint64_t>& buffer = data().words;
  return {buffer.data(), static_cast<std::size_t>(buffer.size())};
}

Tensor Mask::to_tensor() const {
  Tensor result = Tensor::zeros(shape(), {.dtype = kBool});
  bool* const out = result.data<bool>();
  for_each([out](std::int64_t position, std::int64_t) { out[position] = true; });
  return result;
}

namespace {

/// What a union, intersection or difference of two sets keeps for certain.
Pattern common_blocks(const Mask& a, const Mask& b) {
  const auto any_blocks = [](const Mask& mask) { return mask.count() == 0 || mask.count() == mask.numel(); };
  const Pattern left = a.pattern();
  const Pattern right = b.pattern();
  if (left.has_blocks() && (left == right || any_blocks(b))) return left;
  return right.has_blocks() && any_blocks(a) ? right : Pattern();
}

Pattern within(const Mask& a, const Mask& b) {
  return a.pattern().kind == Pattern::Kind::Nm ? a.pattern() : common_blocks(a, b);
}

}  // namespace

template <class Combine>
Mask Mask::combine(const Mask& a, const Mask& b, const char* op, Pattern pattern, Combine combine) {
  COPPICE_CHECK(a.shape() == b.shape(), "[Mask] ", op, " expects equal shapes; got ", a.shape(), " and ", b.shape());
  Buffer<std::uint64_t> words = make_buffer<std::uint64_t>(a.data().words.size());
  const std::uint64_t* const left = a.data().words.data();
  const std::uint64_t* const right = b.data().words.data();
  std::uint64_t* const out = words.data();
  parallel_for(0, words.size(), kGrainWords, [=](std::int64_t first, std::int64_t last) {
    for (std::int64_t w = first; w < last; ++w) out[w] = combine(left[w], right[w]);
  });
  return build(a.shape(), std::move(words), pattern);
}

Mask operator|(const Mask& a, const Mask& b) {
  return Mask::combine(a, b, "|", common_blocks(a, b), [](std::uint64_t x, std::uint64_t y) { return x | y; });
}

Mask operator&(const Mask& a, const Mask& b) {
  const Pattern pattern = b.pattern().kind == Pattern::Kind::Nm ? b.pattern() : within(a, b);
  return Mask::combine(a, b, "&", pattern, [](std::uint64_t x, std::uint64_t y) { return x & y; });
}

Mask operator-(const Mask& a, const Mask& b) {
  return Mask::combine(a, b, "-", within(a, b), [](std::uint64_t x, std::uint64_t y) { return x & ~y; });
}

Mask operator~(const Mask& a) { return Mask::all(a.shape()) - a; }

bool operator==(const Mask& a, const Mask& b) {
  if (a.data_ == b.data_) return true;
  if (!a.defined() || !b.defined() || !(a.shape() == b.shape()) || a.count() != b.count()) return false;
  return std::ranges::equal(a.words(), b.words());
}

bool Mask::is_subset_of(const Mask& other) const { return intersection_count(*this, other) == count(); }

std::int64_t Mask::intersection_count(const Mask& a, const Mask& b) {
  COPPICE_CHECK(a.shape() == b.shape(), "[Mask] intersection expects equal shapes; got ", a.shape(), " and ",
                b.shape());
  const std::span<const std::uint64_t> left = a.words();
  const std::span<const std::uint64_t> right = b.words();
  std::int64_t common = 0;
  std::array<std::uint64_t, 8> both{};
  for (std::size_t w = 0; w < left.size(); w += both.size()) {
    const std::size_t length = std::min(both.size(), left.size() - w);
    for (std::size_t i = 0; i < length; ++i) both[i] = left[w + i] & right[w + i];
    common += detail::count_bits(both.data(), static_cast<std::int64_t>(length));
  }
  return common;
}

double Mask::iou(const Mask& a, const Mask& b) {
  const std::int64_t common = intersection_count(a, b);
  const std::int64_t either = a.count() + b.count() - common;
  return either == 0 ? 1.0 : static_cast<double>(common) / static_cast<double>(either);
}

std::ostream& operator<<(std::ostream& out, const Mask& mask) {
  if (!mask.defined()) return out << "Mask undefined";
  const auto hundredths = static_cast<std::int64_t>(mask.density() * 10000.0 + 0.5);
  return out << "Mask " << mask.shape() << ", " << mask.count() << " of " << mask.numel() << " set ("
             << hundredths / 100 << '.' << hundredths / 10 % 10 << hundredths % 10 << " %)";
}

}  // namespace coppice
