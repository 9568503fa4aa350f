// Matching costs of optical flow, at a quarter of 192 × 256 with 256 channels (RAFT) and PWC-Net's levels:
// coppice-bench --benchmark_filter=correlation

#include <coppice/ops/correlation.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/local_correlation.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

const bool registered = [] {
  const auto maps = [] { return std::vector<Tensor>{normal({1, 256, 48, 64}, 1), normal({1, 256, 48, 64}, 2)}; };
  const auto volume = [] { return normal({1, 48, 64, 48, 64}, 1); };
  const auto coordinates = [] { return uniform({1, 2, 48, 64}, 3) * 50.0; };
  register_vision_op(
      "correlation/all_pairs", [](const std::vector<Tensor>& x) { return all_pairs_correlation(x[0], x[1]); }, maps);
  register_vision_op(
      "correlation/pyramid", [](const std::vector<Tensor>& x) { return correlation_pyramid(x[0], 4).back(); },
      [=] { return std::vector<Tensor>{volume()}; });
  register_vision_op(
      "correlation/lookup", [](const std::vector<Tensor>& x) { return correlation_lookup({x[0]}, x[1]); },
      [=] {
        return std::vector<Tensor>{volume(), coordinates()};
      });
  register_vision_op(
      "correlation/lookup_direct",
      [](const std::vector<Tensor>& x) { return correlation_lookup_direct(x[0], x[1], x[2]); },
      [=] {
        std::vector<Tensor> inputs = maps();
        inputs.push_back(coordinates());
        return inputs;
      });
  register_vision_op(
      "local_correlation/pwc", [](const std::vector<Tensor>& x) { return local_correlation(x[0], x[1]); },
      [] {
        return std::vector<Tensor>{normal({1, 96, 48, 64}, 1), normal({1, 96, 48, 64}, 2)};
      });
  register_vision_op(
      "local_correlation/flownet",
      [](const std::vector<Tensor>& x) { return local_correlation(x[0], x[1], {.max_displacement = 20, .step = 2}); },
      maps);
  return true;
}();

}  // namespace
}  // namespace coppice::bench
