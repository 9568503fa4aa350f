#include <string>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

DType dtype_named(const std::string& name) {
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool, kFloat16, kBFloat16}) {
    if (name_of(dtype) == name) return dtype;
  }
  detail::fail("[golden] expects the name of a dtype; got ", name);
}

template <class Function>
Op view(Function function) {
  return with_options([function](const Tensors& x, const Options& options) { return function(x.at(0), options); });
}

}  // namespace

Table views() {
  using T = const Tensor&;
  using O = const Options&;
  return {
      {"permute", view([](T x, O o) { return x.permute(o.dims()); })},
      {"transpose", view([](T x, O o) {
         const Dims dims = o.dims();
         return x.transpose(static_cast<int>(dims[0]), static_cast<int>(dims[1]));
       })},
      {"slice",
       view([](T x, O o) { return x.slice(o.dim(), o.integer("start"), o.integer("end"), o.integer("step")); })},
      {"narrow", view([](T x, O o) { return x.narrow(o.dim(), o.integer("start"), o.integer("length")); })},
      {"select", view([](T x, O o) { return x.select(o.dim(), o.integer("index")); })},
      {"unsqueeze", view([](T x, O o) { return x.unsqueeze(o.dim()); })},
      {"squeeze", view([](T x, O o) { return x.squeeze(o.dim()); })},
      {"flatten", view([](T x, O o) { return x.flatten(o.dim("start_dim")); })},
      {"reshape", view([](T x, O o) { return x.reshape(o.dims()); })},
      {"clone", view([](T x, O) { return x.clone(); })},
      {"expand", view([](T x, O o) { return x.expand(Shape(o.dims())); })},
      {"to", view([](T x, O o) { return x.to(dtype_named(o.text("dtype"))); })},
  };
}

}  // namespace coppice::golden
