// Panels of activations, once per SIMD target: a panel holds a few vectors of samples, [column][samples].

#if defined(COPPICE_OPS_CPU_PANEL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_PANEL_INL_H_
#undef COPPICE_OPS_CPU_PANEL_INL_H_
#else
#define COPPICE_OPS_CPU_PANEL_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr std::int64_t kLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

/// A panel's lines of the columns from first to last, from `count` rows of x; the rest of a line is 0. `panel` is where
/// the line of `first` goes.
template <class T>
void load_lines(std::int64_t count, std::int64_t first, std::int64_t last, const T* x, std::int64_t ldx, T* panel,
                std::int64_t width) {
  transpose(count, last - first, x + first, ldx, panel, width);
  for (std::int64_t c = 0; count < width && c < last - first; ++c) {
    std::fill(panel + c * width + count, panel + (c + 1) * width, T(0));
  }
}

/// The same, shared out among threads.
template <class T>
void load_panel(std::int64_t count, std::int64_t first, std::int64_t last, const T* x, std::int64_t ldx, T* panel,
                std::int64_t width) {
  parallel_for(first, last, 1024, [=](std::int64_t begin, std::int64_t end) {
    load_lines(count, begin, end, x, ldx, panel + (begin - first) * width, width);
  });
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
