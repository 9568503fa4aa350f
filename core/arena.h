#pragma once

#include <cstddef>
#include <cstdint>
#include <mutex>
#include <vector>

#include <coppice/core/allocator.h>

namespace coppice {

/// Memory for work that repeats itself, as inference does: one run is recorded, and from then on every allocation of a
/// run gets the place that was found for it in one block. Allocations whose lives did not overlap share bytes.
///
///     arena->record();  // … one run …
///     arena->plan();    // lays out the block
///     arena->rewind();  // before every run from now on
///
/// A run that allocates otherwise than the recorded one is served all the same: what does not fit the plan, or whose
/// place is still in use (a tensor of an earlier run was kept), comes from the allocator that was current when the
/// arena was made, and is counted by unplanned().
class COPPICE_API Arena final : public Allocator {
 public:
  Arena();
  ~Arena() override;

  void record();
  void plan();
  void rewind();

  std::int64_t bytes() const;            ///< of the block
  std::int64_t requested_bytes() const;  ///< of the recorded allocations together, had none shared bytes
  std::int64_t planned() const;          ///< allocations of a run that have a place
  std::int64_t unplanned() const;        ///< allocations since plan() that had none

  void* allocate(std::size_t bytes) override;
  void deallocate(void* pointer, std::size_t bytes) noexcept override;
  AllocatorStats stats() const override;
  void reset_peak() override;
  void release_cached() override {}

 private:
  struct Slot {
    std::size_t bytes = 0;
    std::size_t offset = 0;
    std::int64_t first = 0, last = -1;  ///< its life, in allocations and deallocations; −1: it outlived the run
  };
  struct Live {
    std::size_t slot;
    const void* pointer;
  };

  void* allocate_planned(std::size_t bytes);
  bool overlaps_live(const Slot& slot) const;

  enum class State : std::uint8_t { Idle, Recording, Planned };

  mutable std::mutex mutex_;
  IntrusivePtr<Allocator> parent_;
  State state_ = State::Idle;
  std::vector<Slot> slots_;
  std::vector<Live> live_;
  std::int64_t clock_ = 0;
  std::size_t next_ = 0;
  std::byte* block_ = nullptr;
  std::size_t block_bytes_ = 0;
  std::int64_t unplanned_ = 0;
  AllocatorStats stats_;
};

}  // namespace coppice
