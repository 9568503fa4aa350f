#include <coppice/ops/elementwise.h>

#include <optional>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

template <class Function>
Op with_scalar(Function function) {
  return with_options(
      [function](const Tensors& x, const Options& options) { return function(x.at(0), options.scalar("scalar")); });
}

std::optional<Scalar> bound(const Options& options, const char* key) {
  return options.has(key) ? std::optional(options.scalar(key)) : std::nullopt;
}

}  // namespace

Table elementwise() {
  using T = const Tensor&;
  return {
      {"add", binary([](T a, T b) { return a + b; })},
      {"sub", binary([](T a, T b) { return a - b; })},
      {"mul", binary([](T a, T b) { return a * b; })},
      {"div", binary([](T a, T b) { return a / b; })},
      {"maximum", binary(maximum)},
      {"minimum", binary(minimum)},
      {"eq", binary([](T a, T b) { return eq(a, b); })},
      {"ne", binary([](T a, T b) { return ne(a, b); })},
      {"lt", binary([](T a, T b) { return lt(a, b); })},
      {"le", binary([](T a, T b) { return le(a, b); })},
      {"gt", binary([](T a, T b) { return gt(a, b); })},
      {"ge", binary([](T a, T b) { return ge(a, b); })},
      {"add_scalar", with_scalar([](T a, Scalar b) { return a + b; })},
      {"sub_scalar", with_scalar([](T a, Scalar b) { return a - b; })},
      {"mul_scalar", with_scalar([](T a, Scalar b) { return a * b; })},
      {"div_scalar", with_scalar([](T a, Scalar b) { return a / b; })},
      {"scalar_sub", with_scalar([](T a, Scalar b) { return b - a; })},
      {"scalar_div", with_scalar([](T a, Scalar b) { return b / a; })},
      {"eq_scalar", with_scalar([](T a, Scalar b) { return eq(a, b); })},
      {"ne_scalar", with_scalar([](T a, Scalar b) { return ne(a, b); })},
      {"lt_scalar", with_scalar([](T a, Scalar b) { return lt(a, b); })},
      {"le_scalar", with_scalar([](T a, Scalar b) { return le(a, b); })},
      {"gt_scalar", with_scalar([](T a, Scalar b) { return gt(a, b); })},
      {"ge_scalar", with_scalar([](T a, Scalar b) { return ge(a, b); })},
      {"where", with_options([](const Tensors& x, const Options&) { return where(x.at(0), x.at(1), x.at(2)); })},
      {"clamp", with_options([](const Tensors& x, const Options& options) {
         return clamp(x.at(0), bound(options, "min"), bound(options, "max"));
       })},
      {"neg", unary(neg)},
      {"abs", unary([](T x) { return abs(x); })},
      {"exp", unary([](T x) { return exp(x); })},
      {"log", unary([](T x) { return log(x); })},
      {"sqrt", unary([](T x) { return sqrt(x); })},
      {"sign", unary(sign)},
      {"pow",
       with_options([](const Tensors& x, const Options& options) { return pow(x.at(0), options.number("exponent")); })},
  };
}

}  // namespace coppice::golden
