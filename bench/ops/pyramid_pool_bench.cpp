// Pyramid pooling: coppice-bench --benchmark_filter=pyramid_pool

#include <coppice/ops/pyramid_pool.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

#include "bench/ops/vision_bench.h"

namespace coppice::bench {
namespace {

const bool registered = [] {
  register_vision_op(
      "pyramid_pool/pspnet",
      [](const std::vector<Tensor>& x) {
        const std::vector<Tensor> pools = pyramid_pool(x[0], {1, 2, 3, 6});
        return pools[0] + sum(pools[1]) + sum(pools[2]) + sum(pools[3]);
      },
      [] {
        return std::vector<Tensor>{normal({1, 512, 60, 60}, 1)};
      });
  return true;
}();

}  // namespace
}  // namespace coppice::bench
