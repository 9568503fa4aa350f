#include <coppice/ops/interpolate.h>

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
  };
}

}  // namespace coppice::golden
