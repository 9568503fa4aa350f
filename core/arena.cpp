#include <coppice/core/arena.h>

#include <algorithm>
#include <functional>
#include <numeric>

#include <coppice/core/error.h>

namespace coppice {

namespace {

constexpr std::size_t kAlignment = 64;
/// How far ahead a run that left out an allocation is looked for in the plan.
constexpr std::size_t kLookAhead = 16;

std::size_t rounded(std::size_t bytes) {
  return std::max(kAlignment, (bytes + kAlignment - 1) / kAlignment * kAlignment);
}

bool share_bytes(std::size_t a, std::size_t a_bytes, std::size_t b, std::size_t b_bytes) {
  return a < b + b_bytes && b < a + a_bytes;
}

}  // namespace

Arena::Arena() : parent_(&cpu_allocator()) {}

Arena::~Arena() {
  if (block_ != nullptr) parent_->deallocate(block_, block_bytes_);
}

void Arena::record() {
  const std::lock_guard lock(mutex_);
  COPPICE_CHECK(state_ == State::Idle, "[Arena] records one run, before plan(); it has one");
  state_ = State::Recording;
}

void Arena::plan() {
  const std::lock_guard lock(mutex_);
  COPPICE_CHECK(state_ == State::Recording, "[Arena] plan() expects a recorded run; call record() first");
  // Largest first, each at the lowest offset that is free all its life.
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    if (slots_[i].last >= 0) order.push_back(i);
  }
  std::ranges::stable_sort(order, std::greater<>(), [&](std::size_t i) { return slots_[i].bytes; });
  std::vector<const Slot*> placed;  // by offset
  for (const std::size_t i : order) {
    Slot& slot = slots_[i];
    slot.offset = 0;
    for (const Slot* other : placed) {
      const bool together = slot.first <= other->last && other->first <= slot.last;
      if (!together) continue;
      if (slot.offset + slot.bytes <= other->offset) break;
      slot.offset = std::max(slot.offset, other->offset + other->bytes);
    }
    block_bytes_ = std::max(block_bytes_, slot.offset + slot.bytes);
    const auto place = std::ranges::upper_bound(placed, slot.offset, {}, [](const Slot* s) { return s->offset; });
    placed.insert(place, &slot);
  }
  if (block_bytes_ > 0) block_ = static_cast<std::byte*>(parent_->allocate(block_bytes_));
  live_.clear();  // what outlived the run is the parent's
  live_.reserve(slots_.size());
  state_ = State::Planned;
}

void Arena::rewind() {
  const std::lock_guard lock(mutex_);
  next_ = 0;
}

std::int64_t Arena::bytes() const {
  const std::lock_guard lock(mutex_);
  return static_cast<std::int64_t>(block_bytes_);
}

std::int64_t Arena::requested_bytes() const {
  const std::lock_guard lock(mutex_);
  return std::accumulate(slots_.begin(), slots_.end(), std::int64_t{0}, [](std::int64_t sum, const Slot& slot) {
    return sum + static_cast<std::int64_t>(slot.bytes);
  });
}

std::int64_t Arena::planned() const {
  const std::lock_guard lock(mutex_);
  return std::ranges::count_if(slots_, [](const Slot& slot) { return slot.last >= 0; });
}

std::int64_t Arena::unplanned() const {
  const std::lock_guard lock(mutex_);
  return unplanned_;
}

bool Arena::overlaps_live(const Slot& slot) const {
  return std::ranges::any_of(live_, [&](const Live& live) {
    const Slot& other = slots_[live.slot];
    return share_bytes(slot.offset, slot.bytes, other.offset, other.bytes);
  });
}

/// Null where the plan has no place.
void* Arena::allocate_planned(std::size_t bytes) {
  for (std::size_t i = next_; i < std::min(slots_.size(), next_ + kLookAhead); ++i) {
    const Slot& slot = slots_[i];
    if (slot.bytes != bytes) continue;
    next_ = i + 1;
    if (slot.last < 0 || overlaps_live(slot)) return nullptr;
    std::byte* const pointer = block_ + slot.offset;
    live_.push_back({i, pointer});
    return pointer;
  }
  return nullptr;
}

void* Arena::allocate(std::size_t bytes) {
  const std::size_t wanted = rounded(bytes);
  const std::lock_guard lock(mutex_);
  void* pointer = state_ == State::Planned ? allocate_planned(wanted) : nullptr;
  if (pointer == nullptr) {
    pointer = parent_->allocate(bytes);
    ++stats_.system_allocations;
    if (state_ == State::Planned) ++unplanned_;
    if (state_ == State::Recording) {
      live_.push_back({slots_.size(), pointer});
      slots_.push_back({.bytes = wanted, .first = clock_++});
    }
  }
  ++stats_.allocations;
  stats_.current += static_cast<std::int64_t>(wanted);
  stats_.peak = std::max(stats_.peak, stats_.current);
  return pointer;
}

void Arena::deallocate(void* pointer, std::size_t bytes) noexcept {
  const std::lock_guard lock(mutex_);
  stats_.current -= static_cast<std::int64_t>(rounded(bytes));
  const auto live = std::ranges::find(live_, pointer, &Live::pointer);
  if (live != live_.end()) {
    if (state_ == State::Recording) slots_[live->slot].last = clock_++;
    *live = live_.back();
    live_.pop_back();
    if (state_ == State::Planned) return;
  }
  parent_->deallocate(pointer, bytes);
}

AllocatorStats Arena::stats() const {
  const std::lock_guard lock(mutex_);
  return stats_;
}

void Arena::reset_peak() {
  const std::lock_guard lock(mutex_);
  stats_.peak = stats_.current;
}

}  // namespace coppice
