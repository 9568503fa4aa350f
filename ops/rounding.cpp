#include <coppice/ops/rounding.h>

#include <coppice/ops/elementwise.h>
#include <coppice/ops/map.h>
#include <coppice/ops/record_elementwise.h>

namespace coppice {

using detail::record_binary;
using detail::record_unary;
using detail::recording;

Tensor floor(const Tensor& input) { return map("floor", UnaryOp::Floor, input); }
Tensor ceil(const Tensor& input) { return map("ceil", UnaryOp::Ceil, input); }
Tensor round(const Tensor& input) { return map("round", UnaryOp::Round, input); }
Tensor trunc(const Tensor& input) { return map("trunc", UnaryOp::Trunc, input); }

namespace {

constexpr auto kPass = [](const Saved&, const Tensor& d_output) { return d_output; };

/// Integers cannot say that a quotient has no value.
void check_divisor(const char* op, const Tensor& input, const Tensor& other) {
  if (is_floating(input.dtype()) || is_floating(other.dtype())) return;
  COPPICE_CHECK(count_nonzero(other).item<std::int64_t>() == other.numel(), "[", op,
                "] expects integers other than 0 to divide by; got a 0 in other ", other.shape(), ", input ",
                input.shape(), "; convert with to(kFloat32) for NaN");
}
void check_divisor(const char* op, const Tensor& input, Scalar other) {
  COPPICE_CHECK(is_floating(input.dtype()) || !other.is_integral() || other.as<std::int64_t>() != 0, "[", op,
                "] expects an integer other than 0 to divide by; got 0 for ", input.dtype(), " ", input.shape(),
                "; convert with to(kFloat32) for NaN");
}

}  // namespace

Tensor remainder(const Tensor& input, const Tensor& other) {
  check_divisor("remainder", input, other);
  Tensor output = map("remainder", BinaryOp::Remainder, input, other);
  if (!recording(input, other)) return output;
  return record_binary("remainder", output, input, other, {input, other}, kPass,
                       [](const Saved& saved, const Tensor& d_output) {
                         return -d_output * floor(saved[0].detach() / saved[1].detach());
                       });
}

Tensor remainder(const Tensor& input, Scalar other) {
  check_divisor("remainder", input, other);
  Tensor output = map("remainder", BinaryOp::Remainder, input, other);
  return recording(input) ? record_unary("remainder", output, input, {}, kPass) : output;
}

Tensor fmod(const Tensor& input, const Tensor& other) {
  check_divisor("fmod", input, other);
  Tensor output = map("fmod", BinaryOp::Fmod, input, other);
  if (!recording(input, other)) return output;
  return record_binary("fmod", output, input, other, {input, other}, kPass,
                       [](const Saved& saved, const Tensor& d_output) {
                         return -d_output * trunc(saved[0].detach() / saved[1].detach());
                       });
}

Tensor fmod(const Tensor& input, Scalar other) {
  check_divisor("fmod", input, other);
  Tensor output = map("fmod", BinaryOp::Fmod, input, other);
  return recording(input) ? record_unary("fmod", output, input, {}, kPass) : output;
}

}  // namespace coppice
