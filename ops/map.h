#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

// Elementwise work without autograd: checks, type promotion, broadcasting and dispatch, shared by every elementwise op.

namespace coppice {

enum class BinaryOp : std::uint8_t {
  Add,
  Sub,
  Mul,
  Div,
  Maximum,
  Minimum,
  ReluBackward,
  SiluBackward,  // of d_output and input, as the next two
  GeluBackward,
  GeluTanhBackward,
  Equal,  // from here on the result is bool
  NotEqual,
  Less,
  LessEqual
};

enum class UnaryOp : std::uint8_t {
  Neg,
  Abs,
  Sign,
  Relu,
  Exp,  // from here on the result is floating
  Log,
  Sqrt,
  Pow,
  Silu,
  Gelu,
  GeluTanh
};

/// `name` is the op that errors name.
Tensor map(const char* name, BinaryOp op, const Tensor& a, const Tensor& b);
Tensor map(const char* name, BinaryOp op, const Tensor& a, Scalar b);
Tensor map(const char* name, BinaryOp op, Scalar a, const Tensor& b);
/// `parameter` is Pow's exponent.
Tensor map(const char* name, UnaryOp op, const Tensor& input, double parameter = 0.0);
Tensor map_where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor map_where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor map_where(const Tensor& condition, Scalar a, const Tensor& b);

}  // namespace coppice
