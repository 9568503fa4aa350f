// Prefetching the inputs of the next tile, once per SIMD target.

#if defined(COPPICE_OPS_CPU_BLOCKED_AHEAD_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_BLOCKED_AHEAD_INL_H_
#undef COPPICE_OPS_CPU_BLOCKED_AHEAD_INL_H_
#else
#define COPPICE_OPS_CPU_BLOCKED_AHEAD_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdint>

#include <coppice/ops/cpu/blocked_tile-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// Lines of memory that a loop brings into L2 on its way: one at the start and after every `every` of its steps.
struct Hint {
  const char* next;
  std::int64_t step = 0;
  std::int64_t every = 1 << 30;

  void fetch() {
    __builtin_prefetch(next, 0, 2);
    next += step;
  }
};

/// Shares out the source of a tile's next load among the loops over the present one: from one channel to the next it
/// lies too far apart for the hardware to expect it, and many lines at once would wait for one another.
class Ahead {
 public:
  /// Begins with the source of tile.load(input, first_channel, count, row_part, column_part), for `loops` loops.
  template <class T>
  void begin(const Tile& tile, const T* input, std::int64_t first_channel, std::int64_t count, TilePart row_part,
             TilePart column_part, std::int64_t loops) {
    run_ = runs_count_ = 0;
    line_ = channel_ = 0;
    channels_ = count;
    std::int64_t lines = 0, source = 0;
    step_ = tile.for_source(input, first_channel, row_part, column_part, [&](const char* from, std::int64_t bytes) {
      if (runs_count_ == runs_.size()) return;
      const auto skew = static_cast<std::int64_t>(reinterpret_cast<std::uintptr_t>(from) % kLine);
      const Run& run = runs_[runs_count_++] = {from - skew, divide_up(bytes + skew, kLine)};
      lines += run.lines * count;
      source += bytes;
    });
    // Whole rows of the image lie one after the other: the hardware is better at those.
    if (lines == 0 || (runs_count_ == 1 && source == step_)) runs_count_ = 0;
    share_ = divide_up(lines, std::max<std::int64_t>(1, loops));  // no loops: a filter without rows
    rest_ = skipped_ = lines == 0 ? 0 : std::max<std::int64_t>(0, loops / lines - 1);
  }

  /// The share of a loop of `steps` steps.
  Hint next(std::int64_t steps) {
    const Hint none{.next = reinterpret_cast<const char*>(this)};  // near anyway; null would cost a walk of page tables
    if (run_ == runs_count_) return none;
    if (skipped_ > 0) {
      --skipped_;
      return none;
    }
    skipped_ = rest_;
    const Run& run = runs_[run_];
    const std::int64_t share = std::min(share_, channels_ - channel_);
    Hint hint{.next = run.first + channel_ * step_ + line_ * kLine, .step = step_};
    if (share > 1) hint.every = std::max<std::int64_t>(1, steps / share);
    channel_ += share;
    if (channel_ < channels_) return hint;
    channel_ = 0;
    if (++line_ < run.lines) return hint;
    line_ = 0;
    ++run_;
    return hint;
  }

 private:
  static constexpr std::int64_t kLine = 64;
  struct Run {
    const char* first;
    std::int64_t lines;
  };
  std::array<Run, 32> runs_;  // of one channel; a tile of more rows than that does without the last ones' hints
  std::size_t runs_count_ = 0, run_ = 0;
  std::int64_t line_ = 0, channel_ = 0;  // of the next line
  std::int64_t step_ = 0, channels_ = 0;
  std::int64_t share_ = 0;               // lines of a loop
  std::int64_t rest_ = 0, skipped_ = 0;  // loops without a line between two with one; of those, still to come
};

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
