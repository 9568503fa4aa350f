#include <coppice/ops/diagonal.h>
#include <coppice/ops/embedding.h>
#include <coppice/ops/gather.h>
#include <coppice/ops/index.h>
#include <coppice/ops/masked.h>
#include <coppice/ops/range.h>
#include <coppice/ops/sort.h>
#include <coppice/ops/unfold.h>
#include <coppice/ops/view.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

using X = const Tensors&;
using O = const Options&;

Tensors parts_of(const Ordered& ordered) { return {ordered.values, ordered.indices}; }

/// Operands from the second on, undefined where a full slice is meant.
Tensors subscripts(const Tensors& x, std::ptrdiff_t first) { return {x.begin() + first, x.end()}; }

UnfoldOptions unfold_options(const Options& options) {
  return {.dilation = options.pair("dilation"), .padding = options.pair("padding"), .stride = options.pair("stride")};
}

}  // namespace

Table indexing() {
  return {
      {"gather", with_options([](X x, O o) { return gather(x.at(0), o.dim(), x.at(1)); })},
      {"scatter", with_options([](X x, O o) { return scatter(x.at(0), o.dim(), x.at(1), x.at(2)); })},
      {"scatter_value", with_options([](X x, O o) { return scatter(x.at(0), o.dim(), x.at(1), o.scalar("value")); })},
      {"scatter_add", with_options([](X x, O o) { return scatter_add(x.at(0), o.dim(), x.at(1), x.at(2)); })},
      {"index_select", with_options([](X x, O o) { return index_select(x.at(0), o.dim(), x.at(1)); })},
      {"index", with_options([](X x, O) { return index(x.at(0), subscripts(x, 1)); })},
      {"index_put_accumulate",
       with_options([](X x, O) { return index_put(x.at(0), subscripts(x, 2), x.at(1), /*accumulate=*/true); })},
      {"nonzero", unary(nonzero)},
      {"embedding", with_options([](X x, O o) {
         return o.has("padding_idx") ? embedding(x.at(0), x.at(1), {.padding_idx = o.integer("padding_idx")})
                                     : embedding(x.at(0), x.at(1));
       })},
      {"masked_fill", with_options([](X x, O o) { return masked_fill(x.at(0), x.at(1), o.scalar("value")); })},
      {"masked_select", binary(masked_select)},
      {"one_hot", with_options([](X x, O o) { return one_hot(x.at(0), o.integer("classes")); })},
      {"sort", {[](X x, O o) { return parts_of(sort(x.at(0), o.dim(), o.flag("descending"))); }}},
      {"argsort", with_options([](X x, O o) { return argsort(x.at(0), o.dim(), o.flag("descending")); })},
      {"topk", {[](X x, O o) { return parts_of(topk(x.at(0), o.integer("k"), o.dim(), o.flag("largest"))); }}},
      {"searchsorted", with_options([](X x, O o) { return searchsorted(x.at(0), x.at(1), o.flag("right")); })},
      {"unfold", with_options([](X x, O o) { return unfold(x.at(0), o.pair("kernel"), unfold_options(o)); })},
      {"fold",
       with_options([](X x, O o) { return fold(x.at(0), o.pair("size"), o.pair("kernel"), unfold_options(o)); })},
      {"tril", with_options([](X x, O o) { return tril(x.at(0), o.integer("diagonal")); })},
      {"triu", with_options([](X x, O o) { return triu(x.at(0), o.integer("diagonal")); })},
      {"diag", with_options([](X x, O o) { return diag(x.at(0), o.integer("diagonal")); })},
      {"diagonal", with_options([](X x, O o) {
         const Dims dims = o.dims();
         return diagonal(x.at(0), o.integer("offset"), static_cast<int>(dims[0]), static_cast<int>(dims[1]));
       })},
      {"movedim", with_options([](X x, O o) { return movedim(x.at(0), o.dims("source"), o.dims("destination")); })},
      {"unflatten", with_options([](X x, O o) { return unflatten(x.at(0), o.dim(), o.dims("sizes")); })},
      {"arange", with_options([](X, O o) { return arange(o.scalar("start"), o.scalar("end"), o.scalar("step")); })},
      {"linspace",
       with_options([](X, O o) { return linspace(o.number("start"), o.number("end"), o.integer("steps")); })},
      {"meshgrid",
       {[](X x, O o) { return meshgrid(x, o.text("indexing") == "ij" ? MeshIndexing::Ij : MeshIndexing::Xy); }}},
  };
}

}  // namespace coppice::golden
