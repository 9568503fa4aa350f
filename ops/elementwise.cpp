#include <coppice/ops/elementwise.h>

#include <cmath>

#include <coppice/autograd/record.h>
#include <coppice/ops/map.h>
#include <coppice/ops/record_elementwise.h>

namespace coppice {
namespace {

using detail::Origin;
using detail::record_binary;
using detail::record_unary;
using detail::recording;

constexpr auto kPass = [](const Saved&, const Tensor& d_output) { return d_output; };
constexpr auto kNegate = [](const Saved&, const Tensor& d_output) { return -d_output; };

}  // namespace

Tensor add(const Tensor& a, const Tensor& b) {
  Tensor output = map("add", BinaryOp::Add, a, b);
  return recording(a, b) ? record_binary("add", output, a, b, {}, kPass, kPass) : output;
}

Tensor add(const Tensor& a, Scalar b) {
  Tensor output = map("add", BinaryOp::Add, a, b);
  return recording(a) ? record_unary("add", output, a, {}, kPass) : output;
}

Tensor sub(const Tensor& a, const Tensor& b) {
  Tensor output = map("sub", BinaryOp::Sub, a, b);
  return recording(a, b) ? record_binary("sub", output, a, b, {}, kPass, kNegate) : output;
}

Tensor sub(const Tensor& a, Scalar b) {
  Tensor output = map("sub", BinaryOp::Sub, a, b);
  return recording(a) ? record_unary("sub", output, a, {}, kPass) : output;
}

Tensor sub(Scalar a, const Tensor& b) {
  Tensor output = map("sub", BinaryOp::Sub, a, b);
  return recording(b) ? record_unary("sub", output, b, {}, kNegate) : output;
}

Tensor mul(const Tensor& a, const Tensor& b) {
  Tensor output = map("mul", BinaryOp::Mul, a, b);
  if (!recording(a, b)) return output;
  const Tensor none;
  return record_binary(
      "mul", output, a, b, {detail::has_grad(b) ? a : none, detail::has_grad(a) ? b : none},
      [](const Saved& saved, const Tensor& d_output) { return d_output * saved[1]; },
      [](const Saved& saved, const Tensor& d_output) { return d_output * saved[0]; });
}

Tensor mul(const Tensor& a, Scalar b) {
  Tensor output = map("mul", BinaryOp::Mul, a, b);
  if (!recording(a)) return output;
  return record_unary("mul", output, a, {}, [b](const Saved&, const Tensor& d_output) { return d_output * b; });
}

Tensor div(const Tensor& a, const Tensor& b) {
  Tensor output = map("div", BinaryOp::Div, a, b);
  if (!recording(a, b)) return output;
  const Tensor none;
  return record_binary(
      "div", output, a, b, {detail::has_grad(b) ? a : none, b},
      [](const Saved& saved, const Tensor& d_output) { return d_output / saved[1]; },
      [](const Saved& saved, const Tensor& d_output) { return -d_output * ((saved[0] / saved[1]) / saved[1]); });
}

Tensor div(const Tensor& a, Scalar b) {
  Tensor output = map("div", BinaryOp::Div, a, b);
  if (!recording(a)) return output;
  return record_unary("div", output, a, {}, [b](const Saved&, const Tensor& d_output) { return d_output / b; });
}

Tensor div(Scalar a, const Tensor& b) {
  Tensor output = map("div", BinaryOp::Div, a, b);
  if (!recording(b)) return output;
  return record_unary("div", output, b, {b}, [a](const Saved& saved, const Tensor& d_output) {
    return -d_output * ((a / saved[0]) / saved[0]);
  });
}

Tensor neg(const Tensor& input) {
  Tensor output = map("neg", UnaryOp::Neg, input);
  return recording(input) ? record_unary("neg", output, input, {}, kNegate) : output;
}

Tensor abs(const Tensor& input) {
  Tensor output = map("abs", UnaryOp::Abs, input);
  if (!recording(input)) return output;
  return record_unary("abs", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * sign(saved[0]); });
}

Tensor sign(const Tensor& input) { return map("sign", UnaryOp::Sign, input); }

Tensor exp(const Tensor& input) {
  Tensor output = map("exp", UnaryOp::Exp, input);
  if (!recording(input)) return output;
  return record_unary("exp", output, input, {output},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * saved[0]; });
}

Tensor log(const Tensor& input) {
  Tensor output = map("log", UnaryOp::Log, input);
  if (!recording(input)) return output;
  return record_unary("log", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output / saved[0]; });
}

Tensor sqrt(const Tensor& input) {
  Tensor output = map("sqrt", UnaryOp::Sqrt, input);
  if (!recording(input)) return output;
  return record_unary("sqrt", output, input, {output},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * 0.5 / saved[0]; });
}

Tensor pow(const Tensor& input, double exponent) {
  const bool square = exponent == 2.0 && is_floating(input.dtype());
  Tensor output = square ? map("pow", BinaryOp::Mul, input, input) : map("pow", UnaryOp::Pow, input, exponent);
  if (!recording(input)) return output;
  return record_unary("pow", output, input, {input}, [exponent](const Saved& saved, const Tensor& d_output) {
    if (exponent == 0.0) return Tensor::zeros_like(d_output);
    return d_output * exponent * pow(saved[0], exponent - 1.0);
  });
}

namespace {

/// As PyTorch: nothing for the operand that lost, half in a tie, else all (also where the other one is NaN).
Tensor share(bool largest, const Tensor& mine, const Tensor& other, const Tensor& d_output) {
  const Tensor lost = largest ? mine < other : mine > other;
  return where(lost, 0, where(eq(mine, other), d_output * 0.5, d_output));
}

Tensor record_extremum(const char* op, const Tensor& output, const Tensor& a, const Tensor& b, bool largest) {
  return record_binary(
      op, output, a, b, {a, b},
      [largest](const Saved& saved, const Tensor& d_output) { return share(largest, saved[0], saved[1], d_output); },
      [largest](const Saved& saved, const Tensor& d_output) { return share(largest, saved[1], saved[0], d_output); });
}

}  // namespace

Tensor maximum(const Tensor& a, const Tensor& b) {
  Tensor output = map("maximum", BinaryOp::Maximum, a, b);
  return recording(a, b) ? record_extremum("maximum", output, a, b, true) : output;
}

Tensor minimum(const Tensor& a, const Tensor& b) {
  Tensor output = map("minimum", BinaryOp::Minimum, a, b);
  return recording(a, b) ? record_extremum("minimum", output, a, b, false) : output;
}

Tensor clamp(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max) {
  COPPICE_CHECK(min || max, "[clamp] expects a lower or an upper bound; got neither for ", input.shape());
  Tensor output = min ? map("clamp", BinaryOp::Maximum, input, *min) : input.detach();
  if (max) output = map("clamp", BinaryOp::Minimum, output, *max);
  if (!recording(input)) return output;
  return record_unary("clamp", output, input, {input}, [min, max](const Saved& saved, const Tensor& d_output) {
    Tensor d_input = d_output;
    if (min) d_input = where(saved[0] >= *min, d_input, 0);
    if (max) d_input = where(saved[0] <= *max, d_input, 0);
    return d_input;
  });
}

Tensor eq(const Tensor& a, const Tensor& b) { return map("eq", BinaryOp::Equal, a, b); }
Tensor eq(const Tensor& a, Scalar b) { return map("eq", BinaryOp::Equal, a, b); }
Tensor ne(const Tensor& a, const Tensor& b) { return map("ne", BinaryOp::NotEqual, a, b); }
Tensor ne(const Tensor& a, Scalar b) { return map("ne", BinaryOp::NotEqual, a, b); }
Tensor lt(const Tensor& a, const Tensor& b) { return map("lt", BinaryOp::Less, a, b); }
Tensor lt(const Tensor& a, Scalar b) { return map("lt", BinaryOp::Less, a, b); }
Tensor le(const Tensor& a, const Tensor& b) { return map("le", BinaryOp::LessEqual, a, b); }
Tensor le(const Tensor& a, Scalar b) { return map("le", BinaryOp::LessEqual, a, b); }
Tensor gt(const Tensor& a, const Tensor& b) { return map("gt", BinaryOp::Less, b, a); }
Tensor gt(const Tensor& a, Scalar b) { return map("gt", BinaryOp::Less, b, a); }
Tensor ge(const Tensor& a, const Tensor& b) { return map("ge", BinaryOp::LessEqual, b, a); }
Tensor ge(const Tensor& a, Scalar b) { return map("ge", BinaryOp::LessEqual, b, a); }

Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b) {
  Tensor output = map_where(condition, a, b);
  if (!recording(a, b)) return output;
  return record_binary(
      "where", output, a, b, {condition},
      [](const Saved& saved, const Tensor& d_output) { return where(saved[0], d_output, 0); },
      [](const Saved& saved, const Tensor& d_output) { return where(saved[0], 0, d_output); });
}

Tensor where(const Tensor& condition, const Tensor& a, Scalar b) {
  Tensor output = map_where(condition, a, b);
  if (!recording(a)) return output;
  return record("where", output, {a}, {condition}, [of_a = Origin(a)](const Saved& saved, const Tensor& d_output) {
    return of_a.restore(where(saved[0], d_output, 0));
  });
}

Tensor where(const Tensor& condition, Scalar a, const Tensor& b) {
  Tensor output = map_where(condition, a, b);
  if (!recording(b)) return output;
  return record("where", output, {b}, {condition}, [of_b = Origin(b)](const Saved& saved, const Tensor& d_output) {
    return of_b.restore(where(saved[0], 0, d_output));
  });
}

Tensor lerp(const Tensor& start, const Tensor& end, double weight) {
  return std::abs(weight) < 0.5 ? start + (end - start) * weight : end - (end - start) * (1.0 - weight);
}

Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight) {
  const Tensor step = end - start;
  return where(abs(weight.detach()) >= 0.5, end - step * (1.0 - weight), start + step * weight);
}

}  // namespace coppice
