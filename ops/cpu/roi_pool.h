#pragma once

#include <cstdint>
#include <vector>

#include <coppice/ops/cpu/taps.h>

namespace coppice::cpu {

/// A region: bins are separable sums over an image's rows and columns.
struct Region {
  std::int64_t image;
  Taps rows, columns;
};

/// out (regions, channels, rows, columns) from images (n, channels, height, width), all regions of one output size.
template <class T>
void pool_regions(std::int64_t channels, const std::vector<Region>& regions, const T* images, T* out);

/// The transposed map: d_images (n, channels, height, width), summed in order of regions.
template <class T>
void spread_regions(std::int64_t images, std::int64_t channels, std::int64_t height, std::int64_t width,
                    const std::vector<Region>& regions, const T* d_out, T* d_images);

}  // namespace coppice::cpu
