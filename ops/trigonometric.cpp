#include <coppice/ops/trigonometric.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/exponential.h>
#include <coppice/ops/map.h>
#include <coppice/ops/record_elementwise.h>

namespace coppice {

using detail::record_binary;
using detail::record_unary;
using detail::recording;

Tensor sin(const Tensor& input) {
  Tensor output = map("sin", UnaryOp::Sin, input);
  if (!recording(input)) return output;
  return record_unary("sin", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * cos(saved[0]); });
}

Tensor cos(const Tensor& input) {
  Tensor output = map("cos", UnaryOp::Cos, input);
  if (!recording(input)) return output;
  return record_unary("cos", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return -d_output * sin(saved[0]); });
}

Tensor tan(const Tensor& input) {
  Tensor output = map("tan", UnaryOp::Tan, input);
  if (!recording(input)) return output;
  return record_unary("tan", output, input, {output},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * (square(saved[0]) + 1.0); });
}

Tensor asin(const Tensor& input) {
  Tensor output = map("asin", UnaryOp::Asin, input);
  if (!recording(input)) return output;
  return record_unary("asin", output, input, {input}, [](const Saved& saved, const Tensor& d_output) {
    return d_output * rsqrt(1.0 - square(saved[0]));
  });
}

Tensor acos(const Tensor& input) {
  Tensor output = map("acos", UnaryOp::Acos, input);
  if (!recording(input)) return output;
  return record_unary("acos", output, input, {input}, [](const Saved& saved, const Tensor& d_output) {
    return -d_output * rsqrt(1.0 - square(saved[0]));
  });
}

Tensor atan(const Tensor& input) {
  Tensor output = map("atan", UnaryOp::Atan, input);
  if (!recording(input)) return output;
  return record_unary("atan", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output / (square(saved[0]) + 1.0); });
}

Tensor sinh(const Tensor& input) {
  Tensor output = map("sinh", UnaryOp::Sinh, input);
  if (!recording(input)) return output;
  return record_unary("sinh", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * cosh(saved[0]); });
}

Tensor cosh(const Tensor& input) {
  Tensor output = map("cosh", UnaryOp::Cosh, input);
  if (!recording(input)) return output;
  return record_unary("cosh", output, input, {input},
                      [](const Saved& saved, const Tensor& d_output) { return d_output * sinh(saved[0]); });
}

Tensor atan2(const Tensor& input, const Tensor& other) {
  Tensor output = map("atan2", BinaryOp::Atan2, input, other);
  if (!recording(input, other)) return output;
  return record_binary(
      "atan2", output, input, other, {input, other},
      [](const Saved& saved, const Tensor& d_output) {
        return d_output * (saved[1] / (square(saved[0]) + square(saved[1])));
      },
      [](const Saved& saved, const Tensor& d_output) {
        return -d_output * (saved[0] / (square(saved[0]) + square(saved[1])));
      });
}

}  // namespace coppice
