#include <coppice/ops/logical.h>

#include <limits>

#include <coppice/core/tensor_impl.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/map.h>

namespace coppice {
namespace {

constexpr double kInfinity = std::numeric_limits<double>::infinity();

Tensor all_are(bool value, const Tensor& input, const char* op) {
  return Tensor::full(detail::require_strided(input, op).shape, value ? 1.0 : 0.0, {.dtype = kBool});
}

void check_bits(const char* op, const Tensor& input, const Tensor& other) {
  COPPICE_CHECK(!is_floating(input.dtype()) && !is_floating(other.dtype()), "[", op,
                "] expects integers or bools; got ", input.dtype(), " ", input.shape(), " and ", other.dtype(), " ",
                other.shape(), "; convert with to(kInt64)");
}
void check_bits(const char* op, const Tensor& input, Scalar other) {
  COPPICE_CHECK(!is_floating(input.dtype()) && other.is_integral(), "[", op, "] expects integers or bools; got ",
                input.dtype(), " ", input.shape(), other.is_integral() ? "" : " and a floating number",
                "; convert with to(kInt64)");
}

}  // namespace

Tensor isnan(const Tensor& input) {
  if (!is_floating(input.dtype())) return all_are(false, input, "isnan");
  return map("isnan", BinaryOp::NotEqual, input, input);
}

Tensor isinf(const Tensor& input) {
  if (!is_floating(input.dtype())) return all_are(false, input, "isinf");
  return map("isinf", BinaryOp::Equal, map("isinf", UnaryOp::Abs, input), kInfinity);
}

Tensor isfinite(const Tensor& input) {
  if (!is_floating(input.dtype())) return all_are(true, input, "isfinite");
  return map("isfinite", BinaryOp::Less, map("isfinite", UnaryOp::Abs, input), kInfinity);
}

Tensor logical_and(const Tensor& input, const Tensor& other) {
  return map("logical_and", BinaryOp::LogicalAnd, input, other);
}

Tensor logical_or(const Tensor& input, const Tensor& other) {
  return map("logical_or", BinaryOp::LogicalOr, input, other);
}

Tensor logical_xor(const Tensor& input, const Tensor& other) {
  return map("logical_xor", BinaryOp::LogicalXor, input, other);
}

Tensor logical_not(const Tensor& input) { return map("logical_not", BinaryOp::Equal, input, 0); }

Tensor bitwise_and(const Tensor& input, const Tensor& other) {
  check_bits("bitwise_and", input, other);
  return map("bitwise_and", BinaryOp::BitwiseAnd, input, other);
}

Tensor bitwise_and(const Tensor& input, Scalar other) {
  check_bits("bitwise_and", input, other);
  return map("bitwise_and", BinaryOp::BitwiseAnd, input, other);
}

Tensor bitwise_or(const Tensor& input, const Tensor& other) {
  check_bits("bitwise_or", input, other);
  return map("bitwise_or", BinaryOp::BitwiseOr, input, other);
}

Tensor bitwise_or(const Tensor& input, Scalar other) {
  check_bits("bitwise_or", input, other);
  return map("bitwise_or", BinaryOp::BitwiseOr, input, other);
}

Tensor bitwise_xor(const Tensor& input, const Tensor& other) {
  check_bits("bitwise_xor", input, other);
  return map("bitwise_xor", BinaryOp::BitwiseXor, input, other);
}

Tensor bitwise_xor(const Tensor& input, Scalar other) {
  check_bits("bitwise_xor", input, other);
  return map("bitwise_xor", BinaryOp::BitwiseXor, input, other);
}

Tensor bitwise_not(const Tensor& input) {
  check_bits("bitwise_not", input, 0);
  return map("bitwise_not", UnaryOp::BitwiseNot, input);
}

}  // namespace coppice
