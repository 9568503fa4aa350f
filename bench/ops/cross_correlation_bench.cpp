// Scores of trackers: coppice-bench --benchmark_filter=xcorr

#include <coppice/ops/cross_correlation.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

const bool registered = [] {
  register_vision_op(
      "xcorr/depthwise", [](const std::vector<Tensor>& x) { return xcorr_depthwise(x[0], x[1]); },
      [] {
        return std::vector<Tensor>{normal({1, 256, 29, 29}, 1), normal({1, 256, 5, 5}, 2)};
      });
  register_vision_op(
      "xcorr/siamfc", [](const std::vector<Tensor>& x) { return xcorr(x[0], x[1]); },
      [] {
        return std::vector<Tensor>{normal({8, 256, 22, 22}, 1), normal({8, 256, 6, 6}, 2)};
      });
  return true;
}();

}  // namespace
}  // namespace coppice::bench
