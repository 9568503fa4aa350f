#include <coppice/ops/activation.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/exponential.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/rounding.h>
#include <coppice/ops/trigonometric.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

using T = const Tensor&;
using X = const Tensors&;
using O = const Options&;

double number_or(const Options& options, const char* key, double otherwise) {
  return options.has(key) ? options.number(key) : otherwise;
}

}  // namespace

Table curves() {
  return {
      {"rsqrt", unary(rsqrt)},
      {"reciprocal", unary(reciprocal)},
      {"square", unary(square)},
      {"expm1", unary(expm1)},
      {"log2", unary([](T x) { return log2(x); })},
      {"log10", unary([](T x) { return log10(x); })},
      {"log1p", unary([](T x) { return log1p(x); })},
      {"sin", unary([](T x) { return sin(x); })},
      {"cos", unary([](T x) { return cos(x); })},
      {"tan", unary([](T x) { return tan(x); })},
      {"asin", unary([](T x) { return asin(x); })},
      {"acos", unary([](T x) { return acos(x); })},
      {"atan", unary([](T x) { return atan(x); })},
      {"sinh", unary([](T x) { return sinh(x); })},
      {"cosh", unary([](T x) { return cosh(x); })},
      {"tanh", unary([](T x) { return tanh(x); })},
      {"sigmoid", unary(sigmoid)},
      {"erf", unary([](T x) { return erf(x); })},
      {"log_sigmoid", unary(log_sigmoid)},
      {"mish", unary(mish)},
      {"relu6", unary(relu6)},
      {"hardsigmoid", unary(hardsigmoid)},
      {"hardtanh", unary([](T x) { return hardtanh(x); })},
      {"hardswish", unary(hardswish)},
      {"softplus", with_options([](X x, O o) {
         return softplus(x.at(0), number_or(o, "beta", 1.0), number_or(o, "threshold", 20.0));
       })},
      {"elu", with_options([](X x, O o) { return elu(x.at(0), number_or(o, "alpha", 1.0)); })},
      {"leaky_relu", with_options([](X x, O o) { return leaky_relu(x.at(0), number_or(o, "negative_slope", 0.01)); })},
      {"prelu", binary(prelu)},
      {"floor", unary([](T x) { return floor(x); })},
      {"ceil", unary([](T x) { return ceil(x); })},
      {"round", unary([](T x) { return round(x); })},
      {"trunc", unary([](T x) { return trunc(x); })},
      {"isnan", unary([](T x) { return isnan(x); })},
      {"isinf", unary([](T x) { return isinf(x); })},
      {"isfinite", unary([](T x) { return isfinite(x); })},
      {"logical_and", binary(logical_and)},
      {"logical_or", binary(logical_or)},
      {"logical_xor", binary(logical_xor)},
      {"logical_not", unary(logical_not)},
      {"bitwise_and", binary([](T a, T b) { return bitwise_and(a, b); })},
      {"bitwise_or", binary([](T a, T b) { return bitwise_or(a, b); })},
      {"bitwise_xor", binary([](T a, T b) { return bitwise_xor(a, b); })},
      {"bitwise_not", unary(bitwise_not)},
      {"remainder", binary([](T a, T b) { return remainder(a, b); })},
      {"fmod", binary([](T a, T b) { return fmod(a, b); })},
      {"remainder_scalar", with_options([](X x, O o) { return remainder(x.at(0), o.scalar("scalar")); })},
      {"fmod_scalar", with_options([](X x, O o) { return fmod(x.at(0), o.scalar("scalar")); })},
      {"pow_tensor", binary([](T a, T b) { return pow(a, b); })},
      {"scalar_pow", with_options([](X x, O o) { return pow(o.scalar("scalar"), x.at(0)); })},
      {"atan2", binary([](T a, T b) { return atan2(a, b); })},
      {"lerp", with_options([](X x, O) { return lerp(x.at(0), x.at(1), x.at(2)); })},
  };
}

}  // namespace coppice::golden
