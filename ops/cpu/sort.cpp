// Rows are sorted as unsigned keys in the order of the numbers, byte by byte from the least significant, which is
// stable. Bytes that all keys share cost only their count. The first k are found with a heap of keys and positions.

#include <coppice/ops/cpu/sort.h>

#include <algorithm>
#include <array>
#include <bit>
#include <cstddef>
#include <type_traits>
#include <vector>

#include <coppice/core/parallel.h>

namespace coppice::cpu {
namespace {

constexpr std::int64_t kGrain = 4096;
constexpr std::int64_t kShortRow = 64;

template <std::size_t bytes>
using UnsignedOf = std::conditional_t<
    bytes == 1, std::uint8_t,
    std::conditional_t<bytes == 2, std::uint16_t, std::conditional_t<bytes == 4, std::uint32_t, std::uint64_t>>>;

/// An unsigned number that compares as `value` does.
template <class T>
UnsignedOf<sizeof(T)> key_of(T value, bool descending) {
  using Key = UnsignedOf<sizeof(T)>;
  constexpr Key kTop = static_cast<Key>(Key{1} << (8 * sizeof(T) - 1));
  Key key;
  if constexpr (std::is_floating_point_v<T>) {
    if (value != value) {
      key = static_cast<Key>(~Key{0});
    } else {
      const Key bits = std::bit_cast<Key>(value + T{0});  // −0 + 0 is 0
      key = (bits & kTop) != 0 ? static_cast<Key>(~bits) : static_cast<Key>(bits | kTop);
    }
  } else if constexpr (std::is_signed_v<T>) {
    key = static_cast<Key>(static_cast<Key>(value) ^ kTop);
  } else {
    key = static_cast<Key>(value);
  }
  return descending ? static_cast<Key>(~key) : key;
}

template <class Key>
struct Entry {
  Key key;
  std::uint32_t position;
  bool operator<(const Entry& other) const { return key != other.key ? key < other.key : position < other.position; }
};

template <class Key>
using Entries = std::vector<Entry<Key>>;

template <class T>
void read_row(const T* row, bool descending, Entries<UnsignedOf<sizeof(T)>>& entries) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    entries[i] = {key_of(row[i], descending), static_cast<std::uint32_t>(i)};
  }
}

template <class Key>
void radix_sort(Entries<Key>& entries, Entries<Key>& other) {
  std::array<std::array<std::size_t, 256>, sizeof(Key)> counts{};
  for (const Entry<Key>& entry : entries) {
    for (std::size_t byte = 0; byte < sizeof(Key); ++byte) ++counts[byte][entry.key >> (8 * byte) & 0xFF];
  }
  for (std::size_t byte = 0; byte < sizeof(Key); ++byte) {
    auto& count = counts[byte];
    if (count[entries.front().key >> (8 * byte) & 0xFF] == entries.size()) continue;
    std::size_t start = 0;
    for (std::size_t& bucket : count) {
      const std::size_t size = bucket;
      bucket = start;
      start += size;
    }
    for (const Entry<Key>& entry : entries) other[count[entry.key >> (8 * byte) & 0xFF]++] = entry;
    entries.swap(other);
  }
}

/// Calls body(row) for all rows, with scratch of its own for each part.
template <class T, class Body>
void for_rows(const SortGeometry& g, Body&& body) {
  parallel_for(0, g.rows, std::max<std::int64_t>(1, kGrain / std::max<std::int64_t>(1, g.size)),
               [&](std::int64_t begin, std::int64_t end) {
                 Entries<UnsignedOf<sizeof(T)>> entries(static_cast<std::size_t>(g.size));
                 Entries<UnsignedOf<sizeof(T)>> other(entries.size());
                 for (std::int64_t row = begin; row < end; ++row) body(row, entries, other);
               });
}

}  // namespace

template <class T>
void argsort(const SortGeometry& g, bool descending, const T* input, std::int64_t* order) {
  if (g.size == 0) return;
  for_rows<T>(g, [&](std::int64_t row, auto& entries, auto& other) {
    read_row(input + row * g.size, descending, entries);
    if (g.size <= kShortRow) {
      std::sort(entries.begin(), entries.end());
    } else {
      radix_sort(entries, other);
    }
    std::int64_t* to = order + row * g.size;
    for (const auto& entry : entries) *to++ = entry.position;
  });
}

template <class T>
void top_order(const SortGeometry& g, std::int64_t k, bool descending, const T* input, std::int64_t* order) {
  if (k == 0) return;
  for_rows<T>(g, [&](std::int64_t row, auto& entries, auto&) {
    read_row(input + row * g.size, descending, entries);
    std::partial_sort(entries.begin(), entries.begin() + k, entries.end());
    for (std::int64_t i = 0; i < k; ++i) order[row * k + i] = entries[static_cast<std::size_t>(i)].position;
  });
}

#define COPPICE_SORT(T)                                                      \
  template void argsort(const SortGeometry&, bool, const T*, std::int64_t*); \
  template void top_order(const SortGeometry&, std::int64_t, bool, const T*, std::int64_t*)

COPPICE_SORT(float);
COPPICE_SORT(double);
COPPICE_SORT(std::int32_t);
COPPICE_SORT(std::int64_t);
COPPICE_SORT(std::uint8_t);
COPPICE_SORT(bool);

#undef COPPICE_SORT

}  // namespace coppice::cpu
