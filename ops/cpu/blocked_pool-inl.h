// Loops over the windows of blocked images, once per SIMD target.

#if defined(COPPICE_OPS_CPU_BLOCKED_POOL_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_BLOCKED_POOL_INL_H_
#undef COPPICE_OPS_CPU_BLOCKED_POOL_INL_H_
#else
#define COPPICE_OPS_CPU_BLOCKED_POOL_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/pool2d.h>
#include <coppice/ops/cpu/simd-inl.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

template <class T>
inline constexpr std::int64_t kPoolLanes = static_cast<std::int64_t>(hn::MaxLanes(hn::ScalableTag<T>()));

template <class T>
std::int64_t blocks_of(std::int64_t n) {
  return (n + kPoolLanes<T> - 1) / kPoolLanes<T>;
}

/// Where the vector of a pixel lies.
struct PixelPlace {
  std::int64_t height, channels, width, lanes;
  std::int64_t operator()(std::int64_t block, std::int64_t y, std::int64_t c, std::int64_t x) const {
    return (((block * height + y) * channels + c) * width + x) * lanes;
  }
};
template <class T>
PixelPlace input_place(const Pool2dGeometry& g, std::int64_t c) {
  return {g.height, c, g.width, kPoolLanes<T>};
}

/// Calls visit(output vector, channel, row window, column window) for the outputs of one row of a block of images.
template <class T, class Visit>
HWY_INLINE void for_row(std::int64_t block, std::int64_t y, std::int64_t channels, const Pool2dGeometry& g,
                        Visit visit) {
  const PixelPlace out{g.out_h(), channels, g.out_w(), kPoolLanes<T>};
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t x = 0; x < g.out_w(); ++x) {
      visit(out(block, y, c, x), c, g.rows[static_cast<std::size_t>(y)], g.columns[static_cast<std::size_t>(x)]);
    }
  }
}

/// The same for all rows, in parallel.
template <class T, class Visit>
void for_all_rows(std::int64_t n, std::int64_t channels, const Pool2dGeometry& g, Visit visit) {
  parallel_for(0, blocks_of<T>(n) * g.out_h(), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t i = first; i < last; ++i) {
      for_row<T>(i / g.out_h(), i % g.out_h(), channels, g,
                 [&](std::int64_t to, std::int64_t c, const PoolWindow& rows, const PoolWindow& columns)
                     HWY_ATTR { visit(i / g.out_h(), to, c, rows, columns); });
    }
  });
}

/// The same, after the rows of `d_input` that a window reaches were set to 0: all of them in the end, each while it is
/// near. Threads take whole blocks.
template <class T, class Visit>
void for_all_gradients(std::int64_t n, std::int64_t channels, const Pool2dGeometry& g, T* d_input, Visit visit) {
  const PixelPlace in = input_place<T>(g, channels);
  parallel_for(0, blocks_of<T>(n), 1, [&](std::int64_t first, std::int64_t last) HWY_ATTR {
    for (std::int64_t block = first; block < last; ++block) {
      std::int64_t cleared = 0;
      const auto clear_until = [&](std::int64_t row) {
        if (row <= cleared) return;
        std::fill(d_input + in(block, cleared, 0, 0), d_input + in(block, row, 0, 0), T(0));
        cleared = row;
      };
      for (std::int64_t y = 0; y < g.out_h(); ++y) {
        clear_until(g.rows[y].last);
        for_row<T>(block, y, channels, g,
                   [&](std::int64_t from, std::int64_t c, const PoolWindow& rows, const PoolWindow& columns)
                       HWY_ATTR { visit(block, from, c, rows, columns); });
      }
      clear_until(g.height);
    }
  });
}

/// How many elements of a window lie before the image.
HWY_INLINE std::int64_t outside(const PoolWindow& window, std::int64_t step) {
  return window.first == window.start ? 0 : (window.first - window.start) / step;
}

/// The number of the first element of a window that lies inside the image.
HWY_INLINE std::int64_t first_inside(const Pool2dGeometry& g, const PoolWindow& rows, const PoolWindow& columns) {
  return outside(rows, g.step_h) * g.kernel_w + outside(columns, g.step_w);
}

/// Calls visit(input vector, number in the window) for the elements of a window that lie inside the image.
template <class Visit>
HWY_INLINE void for_window(const PixelPlace& in, std::int64_t block, std::int64_t c, const Pool2dGeometry& g,
                           const PoolWindow& rows, const PoolWindow& columns, Visit visit) {
  std::int64_t row_number = first_inside(g, rows, columns);
  for (std::int64_t y = rows.first; y < rows.last; y += g.step_h, row_number += g.kernel_w) {
    std::int64_t place = in(block, y, c, columns.first);
    std::int64_t number = row_number;
    for (std::int64_t x = columns.first; x < columns.last; x += g.step_w) {
      visit(place, number++);
      place += g.step_w * in.lanes;
    }
  }
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
