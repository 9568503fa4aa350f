#include <coppice/ops/correlation.h>
#include <coppice/ops/deform_conv2d.h>

#include "tests/golden/families.h"

namespace coppice::golden {

Table vision() {
  return {
      {"deform_conv2d", with_options([](const Tensors& x, const Options& options) {
         const DeformConv2dOptions how = {.stride = options.pair("stride"),
                                          .padding = options.pair("padding"),
                                          .dilation = options.pair("dilation")};
         return deform_conv2d(x.at(0), x.at(1), x.at(2), x.at(3), how, x.at(4));
       })},
      {"all_pairs_correlation", binary([](const Tensor& a, const Tensor& b) { return all_pairs_correlation(a, b); })},
      {"correlation_pyramid", {[](const Tensors& x, const Options& options) {
         return correlation_pyramid(x.at(0), options.integer("levels"));
       }}},
      {"correlation_lookup", with_options([](const Tensors& x, const Options& options) {
         const Tensors pyramid = correlation_pyramid(x.at(0), options.integer("levels"));
         return correlation_lookup(pyramid, x.at(1), options.integer("radius"));
       })},
      {"correlation_lookup_direct", with_options([](const Tensors& x, const Options& options) {
         return correlation_lookup_direct(x.at(0), x.at(1), x.at(2),
                                          {.radius = options.integer("radius"), .levels = options.integer("levels")});
       })},
  };
}

}  // namespace coppice::golden
