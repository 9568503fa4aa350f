#include <coppice/ops/cross_entropy.h>

#include <string>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

Reduction reduction_of(const Options& options) {
  const std::string name = options.text("reduction");
  if (name == "none") return Reduction::None;
  return name == "sum" ? Reduction::Sum : Reduction::Mean;
}

}  // namespace

Table losses() {
  return {
      {"cross_entropy", with_options([](const Tensors& x, const Options& options) {
         return cross_entropy(
             x.at(0), x.at(1),
             {.reduction = reduction_of(options), .label_smoothing = options.number("label_smoothing")});
       })},
  };
}

}  // namespace coppice::golden
