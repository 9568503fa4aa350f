#include <coppice/ops/conv2d.h>
#include <coppice/ops/linear.h>
#include <coppice/ops/matmul.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

Conv2dOptions conv2d_options(const Options& options) {
  return {.stride = options.pair("stride"),
          .padding = options.pair("padding"),
          .dilation = options.pair("dilation"),
          .groups = options.integer("groups")};
}

Tensor convolve(const Tensors& x, const Options& options) {
  return conv2d(x.at(0), x.at(1), x.at(2), conv2d_options(options));
}

Tensor convolve_relu(const Tensors& x, const Options& options) {
  return conv2d_relu(x.at(0), x.at(1), x.at(2), conv2d_options(options), x.at(3));
}

}  // namespace

Table products() {
  return {
      {"matmul", binary(matmul)},
      {"linear", with_options([](const Tensors& x, const Options&) { return linear(x.at(0), x.at(1), x.at(2)); })},
      {"conv2d", with_options(convolve, /*takes_blocked=*/true)},
      {"conv2d_relu", with_options(convolve_relu, /*takes_blocked=*/true)},
  };
}

}  // namespace coppice::golden
