#include <coppice/ops/cat.h>
#include <coppice/ops/pad.h>
#include <coppice/ops/repeat.h>
#include <coppice/ops/roll.h>
#include <coppice/ops/split.h>

#include <string>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

Tensor padded(const Tensors& x, const Options& options) {
  const std::string mode = options.text("mode");
  if (mode == "constant") return pad(x.at(0), options.integers("pad"), {.value = options.number("value")});
  return pad(x.at(0), options.integers("pad"), {.mode = mode == "reflect" ? PadMode::Reflect : PadMode::Replicate});
}

}  // namespace

Table joining() {
  using X = const Tensors&;
  using O = const Options&;
  return {
      {"cat", with_options([](X x, O o) { return cat(x, o.dim()); })},
      {"stack", with_options([](X x, O o) { return stack(x, o.dim()); })},
      {"split", {[](X x, O o) { return split(x.at(0), o.integer("split_size"), o.dim()); }}},
      {"split_sizes", {[](X x, O o) { return split(x.at(0), o.integers("sizes"), o.dim()); }}},
      {"chunk", {[](X x, O o) { return chunk(x.at(0), o.integer("chunks"), o.dim()); }}},
      {"pad", with_options(padded)},
      {"flip", with_options([](X x, O o) { return flip(x.at(0), o.dims()); })},
      {"roll", with_options([](X x, O o) { return roll(x.at(0), o.integers("shifts"), o.dims()); })},
      {"tile", with_options([](X x, O o) { return tile(x.at(0), o.dims()); })},
  };
}

}  // namespace coppice::golden
