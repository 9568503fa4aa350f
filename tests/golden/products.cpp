#include <coppice/ops/conv2d.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/matmul.h>

#include "tests/golden/families.h"

namespace coppice::golden {

Table products() {
  return {
      {"matmul", binary(matmul)},
      {"linear", with_options([](const Tensors& x, const Options&) { return linear(x.at(0), x.at(1), x.at(2)); })},
      {"conv2d", with_options(
                     [](const Tensors& x, const Options& options) {
                       return conv2d(x.at(0), x.at(1), x.at(2),
                                     {.stride = options.pair("stride"),
                                      .padding = options.pair("padding"),
                                      .dilation = options.pair("dilation"),
                                      .groups = options.integer("groups")});
                     },
                     /*takes_blocked=*/true)},
  };
}

}  // namespace coppice::golden
