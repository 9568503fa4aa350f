#include <coppice/ops/cpu/strips.h>

#include <algorithm>

#include <coppice/core/parallel.h>
#include <coppice/ops/cpu/image_block.h>

namespace coppice::cpu {

namespace {

/// Calls row(place in the block, place in the images, first and last pixel inside the image) for every row of every
/// strip and channel; a row outside the image has none inside.
template <class T, class Row>
void for_strip_rows(const Strips& s, Row row) {
  const std::int64_t lanes = image_block<T>();
  parallel_for(0, s.channels, 8, [&](std::int64_t first, std::int64_t last) {
    for (std::int64_t v = 0; v < s.count(); ++v) {
      const std::int64_t image = v / (s.grid_h * s.grid_w);
      const std::int64_t top = s.origin_h + v / s.grid_w % s.grid_h * s.step_h;
      const std::int64_t left = s.origin_w + v % s.grid_w * s.step_w;
      for (std::int64_t y = 0; y < s.strip_h; ++y) {
        const bool inside = top + y >= 0 && top + y < s.height;
        const std::int64_t begin = inside ? std::clamp<std::int64_t>(-left, 0, s.strip_w) : s.strip_w;
        const std::int64_t end = inside ? std::clamp<std::int64_t>(s.width - left, begin, s.strip_w) : s.strip_w;
        for (std::int64_t c = first; c < last; ++c) {
          row((y * s.channels + c) * s.strip_w * lanes + v,
              ((image * s.channels + c) * s.height + top + y) * s.width + left, begin, end);
        }
      }
    }
  });
}

}  // namespace

template <class T>
void gather_strips(const Strips& s, const T* images, T* block) {
  const std::int64_t lanes = image_block<T>();
  if (s.count() < lanes) std::fill_n(block, s.strip_h * s.channels * s.strip_w * lanes, T(0));
  for_strip_rows<T>(s, [&](std::int64_t to, std::int64_t from, std::int64_t begin, std::int64_t end) {
    for (std::int64_t x = 0; x < begin; ++x) block[to + x * lanes] = T(0);
    for (std::int64_t x = begin; x < end; ++x) block[to + x * lanes] = images[from + x];
    for (std::int64_t x = end; x < s.strip_w; ++x) block[to + x * lanes] = T(0);
  });
}

template <class T>
void scatter_strips(const Strips& s, const T* block, T* images) {
  const std::int64_t lanes = image_block<T>();
  for_strip_rows<T>(s, [&](std::int64_t from, std::int64_t to, std::int64_t begin, std::int64_t end) {
    for (std::int64_t x = begin; x < end; ++x) images[to + x] = block[from + x * lanes];
  });
}

template void gather_strips(const Strips&, const float*, float*);
template void gather_strips(const Strips&, const double*, double*);
template void scatter_strips(const Strips&, const float*, float*);
template void scatter_strips(const Strips&, const double*, double*);

}  // namespace coppice::cpu
