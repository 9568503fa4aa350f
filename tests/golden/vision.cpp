#include <coppice/ops/correlation.h>
#include <coppice/ops/cross_correlation.h>
#include <coppice/ops/deform_conv2d.h>
#include <coppice/ops/nms.h>
#include <coppice/ops/precise_roi_pool.h>
#include <coppice/ops/roi_align.h>

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
      {"xcorr_depthwise", binary(xcorr_depthwise)},
      {"xcorr", binary(xcorr)},
      {"roi_align", with_options([](const Tensors& x, const Options& options) {
         return roi_align(x.at(0), x.at(1), options.pair("output"),
                          {.spatial_scale = options.number("spatial_scale"),
                           .sampling_ratio = options.integer("sampling_ratio"),
                           .aligned = options.flag("aligned")});
       })},
      {"precise_roi_pool", with_options([](const Tensors& x, const Options& options) {
         return precise_roi_pool(x.at(0), x.at(1), options.pair("output"), options.number("spatial_scale"));
       })},
      {"nms", with_options([](const Tensors& x, const Options& options) {
         return nms(x.at(0), x.at(1), options.number("iou_threshold"));
       })},
      {"batched_nms", with_options([](const Tensors& x, const Options& options) {
         return batched_nms(x.at(0), x.at(1), x.at(2), options.number("iou_threshold"));
       })},
  };
}

}  // namespace coppice::golden
