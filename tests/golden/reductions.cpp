#include <string>

#include <coppice/ops/logsumexp.h>
#include <coppice/ops/moments.h>
#include <coppice/ops/norm.h>
#include <coppice/ops/reduce.h>
#include <coppice/ops/scan.h>

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

/// var or std.
template <class Moment>
Op moment_with(Moment moment) {
  return with_options([moment](const Tensors& x, const Options& options) {
    return moment(x.at(0), options.dims(),
                  {.correction = options.number("correction"), .keepdim = options.flag("keepdim")});
  });
}

Tensors values_and_places(const Ordered& ordered) { return {ordered.values, ordered.indices}; }

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
      {"var", moment_with([](T x, const Dims& dims, const VarOptions& how) { return var(x, dims, how); })},
      {"std", moment_with([](T x, const Dims& dims, const VarOptions& how) { return std(x, dims, how); })},
      {"prod",
       over_dims([](T x) { return prod(x); }, [](T x, const Dims& dims, bool keep) { return prod(x, dims, keep); })},
      {"norm", with_options([](const Tensors& x, const Options& options) {
         return norm(x.at(0), std::stod(options.text("order")), options.dims(), options.flag("keepdim"));
       })},
      {"logsumexp", with_options([](const Tensors& x, const Options& options) {
         return logsumexp(x.at(0), options.dims(), options.flag("keepdim"));
       })},
      {"cumsum", with_options([](const Tensors& x, const Options& options) { return cumsum(x.at(0), options.dim()); })},
      {"cumprod",
       with_options([](const Tensors& x, const Options& options) { return cumprod(x.at(0), options.dim()); })},
      {"any", over_dims([](T x) { return any(x); }, any)},
      {"all", over_dims([](T x) { return all(x); }, all)},
      {"max", with_options([](const Tensors& x, const Options& options) {
         return values_and_places(max(x.at(0), options.dim(), options.flag("keepdim")));
       })},
      {"min", with_options([](const Tensors& x, const Options& options) {
         return values_and_places(min(x.at(0), options.dim(), options.flag("keepdim")));
       })},
      {"count_nonzero", over_dims([](T x) { return count_nonzero(x); }, count_nonzero)},
  };
}

}  // namespace coppice::golden
