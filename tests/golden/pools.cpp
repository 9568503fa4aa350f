#include <coppice/ops/pool2d.h>
#include <coppice/ops/pyramid_pool.h>

#include <array>
#include <cstdint>
#include <optional>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

std::optional<std::array<std::int64_t, 2>> stride_of(const Options& options) {
  return options.has("stride") ? std::optional(options.pair("stride")) : std::nullopt;
}

Tensor max_pool(const Tensors& x, const Options& options) {
  return max_pool2d(x.at(0), options.pair("kernel"),
                    {.stride = stride_of(options),
                     .padding = options.pair("padding"),
                     .dilation = options.pair("dilation"),
                     .ceil_mode = options.flag("ceil_mode")});
}

Tensor avg_pool(const Tensors& x, const Options& options) {
  return avg_pool2d(x.at(0), options.pair("kernel"),
                    {.stride = stride_of(options),
                     .padding = options.pair("padding"),
                     .ceil_mode = options.flag("ceil_mode"),
                     .count_include_pad = options.flag("count_include_pad")});
}

Tensor adaptive_avg_pool(const Tensors& x, const Options& options) {
  return adaptive_avg_pool2d(x.at(0), options.pair("output"));
}

}  // namespace

Table pools() {
  return {
      {"max_pool2d", with_options(max_pool, /*takes_blocked=*/true)},
      {"avg_pool2d", with_options(avg_pool, /*takes_blocked=*/true)},
      {"adaptive_avg_pool2d", with_options(adaptive_avg_pool, /*takes_blocked=*/true)},
      {"pyramid_pool", with_options([](const Tensors& x, const Options& options) {
         return pyramid_pool(x.at(0), options.integers("sizes"));
       })},
  };
}

}  // namespace coppice::golden
