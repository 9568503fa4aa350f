#pragma once

#include <array>
#include <cstdint>

namespace coppice::cpu {

/// One image. Columns are (out_pixels, taps, channels): what each tap of each output pixel reads of all channels.
struct DeformGeometry {
  std::int64_t channels, height, width, out_height, out_width;
  std::int64_t kernel_height, kernel_width;
  std::array<std::int64_t, 2> stride, padding, dilation;
  std::int64_t offset_groups;

  std::int64_t taps() const { return kernel_height * kernel_width; }
  std::int64_t out_pixels() const { return out_height * out_width; }
  std::int64_t pixels() const { return height * width; }
};

/// The columns of output pixels [first, last); pixels (height · width, channels), offset (2 · offset_groups · taps,
/// out_pixels), mask (offset_groups · taps, out_pixels) or null.
template <class T>
void deform_columns(const DeformGeometry& geometry, std::int64_t first, std::int64_t last, const T* pixels,
                    const T* offset, const T* mask, T* columns);

/// Gradients of these columns: by offset and mask (null where not wanted), and added to d_pixels.
template <class T>
void deform_columns_gradient(const DeformGeometry& geometry, std::int64_t first, std::int64_t last, const T* pixels,
                             const T* offset, const T* mask, const T* d_columns, T* d_pixels, T* d_offset, T* d_mask);

/// to (columns, rows) = from (rows, columns), transposed.
template <class T>
void transpose_matrix(std::int64_t rows, std::int64_t columns, const T* from, T* to);

}  // namespace coppice::cpu
