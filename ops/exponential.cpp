#include <coppice/ops/exponential.h>

#include <cmath>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/map.h>
#include <coppice/ops/record_elementwise.h>

namespace coppice {

using detail::record_binary;
using detail::record_unary;
using detail::recording;

Tensor expm1(const Tensor& input) {
  Tensor output = map("expm1", UnaryOp::Expm1, input);
  if (!recording(input)) return output;
  return record_unary("expm1", output, input, {output},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * (saved[0] + 1.0); });
}

Tensor log1p(const Tensor& input) {
  Tensor output = map("log1p", UnaryOp::Log1p, input);
  if (!recording(input)) return output;
  return record_unary("log1p", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output / (saved[0] + 1.0); });
}

Tensor log2(const Tensor& input) {
  Tensor output = map("log2", UnaryOp::Log2, input);
  if (!recording(input)) return output;
  return record_unary("log2", output, input, {input}, [](const Saved& saved, const Tensor& d_output) {
    return d_output / (saved[0] * 0.69314718055994530942);
  });
}

Tensor log10(const Tensor& input) {
  Tensor output = map("log10", UnaryOp::Log10, input);
  if (!recording(input)) return output;
  return record_unary("log10", output, input, {input}, [](const Saved& saved, const Tensor& d_output) {
    return d_output / (saved[0] * 2.30258509299404568402);
  });
}

Tensor erf(const Tensor& input) {
  Tensor output = map("erf", UnaryOp::Erf, input);
  if (!recording(input)) return output;
  return record_unary("erf", output, input, {input}, [](const Saved& saved, const Tensor& d_output) {
    return d_output * (exp(-square(saved[0])) * 1.12837916709551257390);
  });
}

Tensor rsqrt(const Tensor& input) {
  Tensor output = map("rsqrt", UnaryOp::Rsqrt, input);
  if (!recording(input)) return output;
  return record_unary("rsqrt", output, input, {output}, [](const Saved& saved, const Tensor& d_output) {
    return d_output * -0.5 * (square(saved[0]) * saved[0]);
  });
}

Tensor reciprocal(const Tensor& input) {
  Tensor output = map("reciprocal", UnaryOp::Reciprocal, input);
  if (!recording(input)) return output;
  return record_unary("reciprocal", output, input, {output},
                      [](const Saved& saved, const Tensor& d_output) { return -d_output * square(saved[0]); });
}

Tensor square(const Tensor& input) {
  Tensor output = map("square", BinaryOp::Mul, input, input);
  if (!recording(input)) return output;
  return record_unary("square", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * saved[0] * 2.0; });
}

namespace {

/// exponent · base^(exponent − 1); 0 where the exponent is, whatever the base.
Tensor slope_by_base(const Tensor& base, const Tensor& exponent) {
  return where(eq(exponent, 0), 0, exponent * pow(base, exponent - 1.0));
}

/// base^exponent · log(base); 0 in the limit where the base is 0 and the exponent is not negative.
Tensor slope_by_exponent(const Tensor& base, const Tensor& exponent, const Tensor& output) {
  return where(logical_and(eq(base, 0), exponent >= 0), 0, output * log(base));
}

}  // namespace

Tensor pow(const Tensor& input, const Tensor& exponent) {
  Tensor output = map("pow", BinaryOp::Pow, input, exponent);
  if (!recording(input, exponent)) return output;
  return record_binary(
      "pow", output, input, exponent, {input, exponent, output},
      [](const Saved& saved, const Tensor& d_output) { return d_output * slope_by_base(saved[0], saved[1]); },
      [](const Saved& saved, const Tensor& d_output) {
        return d_output * slope_by_exponent(saved[0], saved[1], saved[2]);
      });
}

Tensor pow(Scalar base, const Tensor& exponent) {
  Tensor output = map("pow", BinaryOp::Pow, base, exponent);
  if (!recording(exponent)) return output;
  return record_unary("pow", output, exponent, {exponent, output}, [base](const Saved& saved, const Tensor& d_output) {
    const double value = base.as<double>();
    const Tensor slope = saved[1] * std::log(value);
    return d_output * (value == 0.0 ? where(saved[0] >= 0, 0, slope) : slope);
  });
}

}  // namespace coppice
