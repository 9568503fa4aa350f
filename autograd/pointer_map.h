#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace coppice::detail {

/// A small map from addresses to indices: open addressing in one array, at most half full, no allocation per entry.
class PointerMap {
 public:
  static constexpr std::uint32_t kAbsent = 0xffffffff;

  /// The value of `key`, or kAbsent.
  std::uint32_t find(const void* key) const {
    for (std::size_t i = home(key);; i = (i + 1) & mask_) {
      if (cells_[i].key == key) return cells_[i].value;
      if (!cells_[i].key) return kAbsent;
    }
  }

  /// Adds a key that is not in the map.
  void insert(const void* key, std::uint32_t value) {
    if (2 * (size_ + 1) > cells_.size()) grow();
    ++size_;
    place({key, value});
  }

  /// Removes a key that is in the map, closing the gap so that no tombstones remain.
  void erase(const void* key) {
    std::size_t gap = home(key);
    while (cells_[gap].key != key) gap = (gap + 1) & mask_;
    --size_;
    for (std::size_t i = (gap + 1) & mask_; cells_[i].key; i = (i + 1) & mask_) {
      const std::size_t distance_from_home = (i - home(cells_[i].key)) & mask_;
      if (distance_from_home >= ((i - gap) & mask_)) {
        cells_[gap] = cells_[i];
        gap = i;
      }
    }
    cells_[gap] = {};
  }

  std::size_t size() const { return size_; }

 private:
  struct Cell {
    const void* key = nullptr;
    std::uint32_t value = 0;
  };

  std::size_t home(const void* key) const {
    const auto address = reinterpret_cast<std::uintptr_t>(key);
    return static_cast<std::size_t>((static_cast<std::uint64_t>(address) * 0x9e3779b97f4a7c15ULL) >> 32) & mask_;
  }

  void place(Cell cell) {
    std::size_t i = home(cell.key);
    while (cells_[i].key) i = (i + 1) & mask_;
    cells_[i] = cell;
  }

  void grow() {
    std::vector<Cell> old(2 * cells_.size());
    old.swap(cells_);
    mask_ = cells_.size() - 1;
    for (const Cell& cell : old) {
      if (cell.key) place(cell);
    }
  }

  std::vector<Cell> cells_ = std::vector<Cell>(16);
  std::size_t mask_ = 15;
  std::size_t size_ = 0;
};

}  // namespace coppice::detail
