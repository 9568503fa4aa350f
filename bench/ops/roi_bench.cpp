// Pooling regions and suppressing boxes: coppice-bench --benchmark_filter='roi|nms'

#include <coppice/ops/nms.h>
#include <coppice/ops/precise_roi_pool.h>
#include <coppice/ops/roi_align.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

/// `count` boxes of 5 to 60 pixels in one image of `size` pixels; rows of 5 with the number of the image, else of 4.
Tensor boxes(std::int64_t count, float size, bool numbered) {
  const std::vector<float> u = uniform({count, 4}, 7).to_vector<float>();
  std::vector<float> rows;
  for (std::size_t i = 0; i < u.size(); i += 4) {
    if (numbered) rows.push_back(0.F);
    const float x = u[i] * (size - 60.F), y = u[i + 1] * (size - 60.F);
    rows.insert(rows.end(), {x, y, x + 5.F + 55.F * u[i + 2], y + 5.F + 55.F * u[i + 3]});
  }
  return Tensor::of(rows, Shape{count, numbered ? 5 : 4});
}

void nms_boxes(benchmark::State& state) {
  const Tensor all = boxes(state.range(0), 400.F, false), scores = uniform({state.range(0)}, 3);
  for (auto _ : state) benchmark::DoNotOptimize(nms(all, scores, 0.5).impl());
}
BENCHMARK(nms_boxes)->Arg(2000)->UseRealTime();

const bool registered = [] {
  const auto inputs = [] { return std::vector<Tensor>{normal({1, 256, 100, 100}, 1)}; };
  const Tensor regions = boxes(256, 100.F, true);
  register_vision_op(
      "roi_align/256",
      [=](const std::vector<Tensor>& x) {
        return roi_align(x[0], regions, {7, 7}, {.sampling_ratio = 2, .aligned = true});
      },
      inputs);
  register_vision_op(
      "precise_roi_pool/256",
      [=](const std::vector<Tensor>& x) {
        return precise_roi_pool(x[0], regions, {7, 7});
      },
      inputs);
  return true;
}();

}  // namespace
}  // namespace coppice::bench
