// Warping feature maps and small images by grids: coppice-bench --benchmark_filter=grid_sample

#include <coppice/ops/grid_sample.h>

#include <coppice/ops/affine_grid.h>
#include <coppice/ops/elementwise.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

Tensor nearly_identity(std::int64_t n, std::int64_t h, std::int64_t w) {
  const Tensor theta = Tensor::of({1.F, 0.03F, 0.02F, -0.02F, 1.F, 0.01F}, Shape{1, 2, 3}).expand({n, 2, 3});
  return affine_grid(theta, {n, 1, h, w}, {.align_corners = true});
}
Tensor anywhere(const Shape& shape) { return uniform(shape, 3) * 2.0 - 1.0; }

const bool registered = [] {
  const auto sample = [](GridSampleMode mode) {
    return
        [mode](const std::vector<Tensor>& x) { return grid_sample(x[0], x[1], {.mode = mode, .align_corners = true}); };
  };
  const auto warp = [] { return std::vector<Tensor>{normal({1, 64, 192, 256}, 1), nearly_identity(1, 192, 256)}; };
  register_vision_op("grid_sample/warp", sample(GridSampleMode::Bilinear), warp);
  register_vision_op("grid_sample/warp_bicubic", sample(GridSampleMode::Bicubic), warp);
  register_vision_op("grid_sample/anywhere", sample(GridSampleMode::Bilinear), [] {
    return std::vector<Tensor>{normal({1, 64, 192, 256}, 1), anywhere({1, 192, 256, 2})};
  });
  register_vision_op("grid_sample/images", sample(GridSampleMode::Bilinear), [] {
    return std::vector<Tensor>{normal({8, 3, 224, 224}, 1), nearly_identity(8, 224, 224)};
  });
  register_vision_op("grid_sample/windows", sample(GridSampleMode::Bilinear), [] {
    return std::vector<Tensor>{normal({3072, 1, 48, 64}, 1), anywhere({3072, 9, 9, 2})};
  });
  return true;
}();

}  // namespace
}  // namespace coppice::bench
