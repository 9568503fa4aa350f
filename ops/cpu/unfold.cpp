// Work   each column element is read or written once, in order; image rows are reread once per tap from cache.
// Bound  memory. Planes are independent and each is one thread's, so sums have one order.

#include <coppice/ops/cpu/unfold.h>

#include <algorithm>

#include <coppice/core/parallel.h>

namespace coppice::cpu {
namespace {

/// The windows first ≤ i < last whose tap at offset `tap` falls into [0, size).
struct Inside {
  std::int64_t first, last, start;  // the tap of window 0 falls on `start`
};

Inside inside(const UnfoldGeometry& g, std::size_t axis, std::int64_t tap) {
  const std::int64_t start = tap * g.dilation[axis] - g.padding[axis];
  const std::int64_t step = g.stride[axis];
  const std::int64_t windows = g.windows[axis];
  const std::int64_t first = start >= 0 ? 0 : std::min(windows, (-start + step - 1) / step);
  const std::int64_t beyond = g.size[axis] - start;
  const std::int64_t last = beyond <= 0 ? first : std::clamp((beyond + step - 1) / step, first, windows);
  return {first, last, start};
}

/// Calls body(plane, tap row, tap column, offset of the column rows of that tap) for all taps of all planes.
template <class Body>
void for_taps(const UnfoldGeometry& g, Body&& body) {
  const std::int64_t windows = g.windows[0] * g.windows[1];
  const std::int64_t taps = g.kernel[0] * g.kernel[1];
  const std::int64_t work = std::max<std::int64_t>(1, windows * taps);
  parallel_for(0, g.planes, std::max<std::int64_t>(1, 32768 / work), [&](std::int64_t begin, std::int64_t end) {
    for (std::int64_t plane = begin; plane < end; ++plane) {
      for (std::int64_t tap = 0; tap < taps; ++tap) {
        body(plane, inside(g, 0, tap / g.kernel[1]), inside(g, 1, tap % g.kernel[1]), (plane * taps + tap) * windows);
      }
    }
  });
}

}  // namespace

template <class T>
void unfold(const UnfoldGeometry& g, const T* images, T* columns) {
  for_taps(g, [&](std::int64_t plane, const Inside& down, const Inside& across, std::int64_t offset) {
    for (std::int64_t i = 0; i < g.windows[0]; ++i) {
      T* to = columns + offset + i * g.windows[1];
      if (i < down.first || i >= down.last) {
        std::fill_n(to, g.windows[1], T{});
        continue;
      }
      const T* row = images + (plane * g.size[0] + down.start + i * g.stride[0]) * g.size[1];
      std::fill(to, to + across.first, T{});
      if (g.stride[1] == 1 && across.first < across.last) {
        std::copy_n(row + across.start + across.first, across.last - across.first, to + across.first);
      } else {
        for (std::int64_t j = across.first; j < across.last; ++j) to[j] = row[across.start + j * g.stride[1]];
      }
      std::fill(to + across.last, to + g.windows[1], T{});
    }
  });
}

template <class T>
void fold(const UnfoldGeometry& g, const T* columns, T* images) {
  std::fill_n(images, g.planes * g.size[0] * g.size[1], T{});
  for_taps(g, [&](std::int64_t plane, const Inside& down, const Inside& across, std::int64_t offset) {
    for (std::int64_t i = down.first; i < down.last; ++i) {
      const T* from = columns + offset + i * g.windows[1];
      T* row = images + (plane * g.size[0] + down.start + i * g.stride[0]) * g.size[1];
      for (std::int64_t j = across.first; j < across.last; ++j) row[across.start + j * g.stride[1]] += from[j];
    }
  });
}

template void unfold(const UnfoldGeometry&, const float*, float*);
template void unfold(const UnfoldGeometry&, const double*, double*);
template void fold(const UnfoldGeometry&, const float*, float*);
template void fold(const UnfoldGeometry&, const double*, double*);

}  // namespace coppice::cpu
