#pragma once

#include <cstdint>

namespace coppice::cpu {

/// A few images cut into strips that lie side by side in the blocked layout, as many images would: strip v of image n
/// is lane n · grid_h · grid_w + v. Strips of the input overlap by what a filter reaches, and hold its padding.
struct Strips {
  std::int64_t images, channels, height, width;
  std::int64_t grid_h, grid_w;      ///< strips of an image
  std::int64_t strip_h, strip_w;    ///< of one strip
  std::int64_t step_h, step_w;      ///< from one strip's origin to the next, in pixels of the image
  std::int64_t origin_h, origin_w;  ///< of the first, at most 0

  std::int64_t count() const { return images * grid_h * grid_w; }
};

// One block of strips, [strip_h][channels][strip_w][lanes]; f32 and f64, parallel over channels. There must be a lane
// for every strip.

/// Pixels outside the image, and lanes past the last strip, become 0.
template <class T>
void gather_strips(const Strips& strips, const T* images, T* block);

/// Writes the strips' pixels inside the image, each + residual (laid out as images; may be null), then ReLU if wanted.
template <class T>
void scatter_strips(const Strips& strips, const T* block, const T* residual, bool relu, T* images);

}  // namespace coppice::cpu
