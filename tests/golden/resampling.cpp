#include <coppice/ops/affine_grid.h>
#include <coppice/ops/grid_sample.h>
#include <coppice/ops/interpolate.h>
#include <coppice/ops/pixel_shuffle.h>

#include <array>
#include <string>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

InterpolateMode mode_of(const Options& options) {
  const std::string name = options.text("mode");
  if (name == "nearest") return InterpolateMode::Nearest;
  if (name == "nearest-exact") return InterpolateMode::NearestExact;
  if (name == "bilinear") return InterpolateMode::Bilinear;
  return name == "bicubic" ? InterpolateMode::Bicubic : InterpolateMode::Area;
}

GridSampleOptions sampling_of(const Options& options) {
  const std::string mode = options.text("mode");
  const std::string padding = options.text("padding_mode");
  return {.mode = mode == "bilinear"  ? GridSampleMode::Bilinear
                  : mode == "nearest" ? GridSampleMode::Nearest
                                      : GridSampleMode::Bicubic,
          .padding_mode = padding == "zeros"    ? GridSamplePadding::Zeros
                          : padding == "border" ? GridSamplePadding::Border
                                                : GridSamplePadding::Reflection,
          .align_corners = options.flag("align_corners")};
}

}  // namespace

Table resampling() {
  return {
      {"interpolate", with_options([](const Tensors& x, const Options& options) {
         InterpolateOptions how{.mode = mode_of(options),
                                .align_corners = options.flag_or("align_corners", false),
                                .recompute_scale_factor = options.flag_or("recompute_scale_factor", false),
                                .antialias = options.flag_or("antialias", false)};
         if (options.has("size")) {
           how.size = options.pair("size");
         } else {
           const std::vector<double> factors = options.numbers("scale_factor");
           how.scale_factor = {factors.at(0), factors.at(1)};
         }
         return interpolate(x.at(0), how);
       })},
      {"grid_sample", with_options([](const Tensors& x, const Options& options) {
         return grid_sample(x.at(0), x.at(1), sampling_of(options));
       })},
      {"affine_grid", with_options([](const Tensors& x, const Options& options) {
         return affine_grid(x.at(0), Shape(options.dims("size")), {.align_corners = options.flag("align_corners")});
       })},
      {"pixel_shuffle", with_options([](const Tensors& x, const Options& options) {
         return pixel_shuffle(x.at(0), options.integer("factor"));
       })},
      {"pixel_unshuffle", with_options([](const Tensors& x, const Options& options) {
         return pixel_unshuffle(x.at(0), options.integer("factor"));
       })},
  };
}

}  // namespace coppice::golden
