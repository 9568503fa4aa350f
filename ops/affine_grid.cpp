#include <coppice/ops/affine_grid.h>

#include <coppice/ops/matmul.h>

namespace coppice {

namespace {

/// The coordinate of pixel `index` of `count`, in [−1, 1].
double coordinate(std::int64_t index, std::int64_t count, bool align_corners) {
  const auto i = static_cast<double>(index), n = static_cast<double>(count);
  if (align_corners) return count > 1 ? 2.0 * i / (n - 1.0) - 1.0 : 0.0;
  return (2.0 * i + 1.0) / n - 1.0;
}

}  // namespace

Tensor affine_grid(const Tensor& theta, const Shape& size, AffineGridOptions options) {
  COPPICE_CHECK(
      theta.dim() == 3 && theta.size(1) == 2 && theta.size(2) == 3 && size.rank() == 4 && size[0] == theta.size(0),
      "[affine_grid] expects theta (n, 2, 3) and a size (n, c, h, w); got ", theta.shape(), " and ", size);
  const std::int64_t h = size[2], w = size[3];
  const Tensor pixels = Tensor::empty({h * w, 3}, {.dtype = theta.dtype()});
  dispatch_floating(theta.dtype(), "affine_grid", [&]<class T>() {
    T* at = pixels.data<T>();
    for (std::int64_t y = 0; y < h; ++y) {
      for (std::int64_t x = 0; x < w; ++x) {
        *at++ = static_cast<T>(coordinate(x, w, options.align_corners));
        *at++ = static_cast<T>(coordinate(y, h, options.align_corners));
        *at++ = T{1};
      }
    }
  });
  return matmul(pixels, theta.transpose(1, 2)).view({size[0], h, w, 2});
}

}  // namespace coppice
