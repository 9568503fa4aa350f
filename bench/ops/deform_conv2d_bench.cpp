// Deformable convolutions: coppice-bench --benchmark_filter=deform

#include <coppice/ops/deform_conv2d.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

const bool registered = [] {
  register_vision_op(
      "deform_conv2d/128",
      [](const std::vector<Tensor>& x) {
        return deform_conv2d(x[0], x[1], x[2], {}, {.padding = {1, 1}}, x[3]);
      },
      [] {
        return std::vector<Tensor>{normal({1, 128, 48, 64}, 1), normal({1, 18, 48, 64}, 2), normal({128, 128, 3, 3}, 3),
                                   uniform({1, 9, 48, 64}, 4)};
      });
  return true;
}();

}  // namespace
}  // namespace coppice::bench
