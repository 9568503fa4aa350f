#include <coppice/ops/reduce.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

/// Over all elements, or along the option `dims`.
template <class Whole, class Along>
Op over_dims(Whole whole, Along along) {
  return with_options([=](const Tensors& x, const Options& options) {
    if (!options.has("dims")) return whole(x.at(0));
    return along(x.at(0), options.dims(), options.flag_or("keepdim", false));
  });
}

}  // namespace

Table reductions() {
  using T = const Tensor&;
  return {
      {"sum",
       over_dims([](T x) { return sum(x); }, [](T x, const Dims& dims, bool keep) { return sum(x, dims, keep); })},
      {"mean",
       over_dims([](T x) { return mean(x); }, [](T x, const Dims& dims, bool keep) { return mean(x, dims, keep); })},
      {"amax", over_dims([](T x) { return amax(x); }, amax)},
      {"amin", over_dims([](T x) { return amin(x); }, amin)},
      {"argmax", with_options([](const Tensors& x, const Options& options) {
         if (!options.has("dim")) return argmax(x.at(0));
         return argmax(x.at(0), options.dim(), options.flag("keepdim"));
       })},
      {"count_nonzero", over_dims([](T x) { return count_nonzero(x); }, count_nonzero)},
  };
}

}  // namespace coppice::golden
