#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

// Elementwise work without autograd: checks, type promotion, broadcasting and dispatch, shared by every elementwise op.

namespace coppice {

enum class BinaryOp : std::uint8_t {
  Add,  // from here on an op of two zeros is 0
  Sub,
  Mul,
  Maximum,
  Minimum,
  ReluBackward,
  SiluBackward,  // of d_output and input, or output, as all backwards
  GeluBackward,
  GeluTanhBackward,
  SigmoidBackward,
  TanhBackward,
  LogSigmoidBackward,
  SoftplusBackward,
  HardsigmoidBackward,
  Relu6Backward,
  LeakyReluBackward,
  EluBackward,
  HardswishBackward,
  MishBackward,
  Remainder,  // from here on it need not be
  Fmod,
  BitwiseAnd,
  BitwiseOr,
  BitwiseXor,
  Div,  // from here on the result is floating
  Atan2,
  Pow,
  Equal,  // from here on the result is bool
  NotEqual,
  Less,
  LessEqual,
  LogicalAnd,
  LogicalOr,
  LogicalXor,
  Count
};

enum class UnaryOp : std::uint8_t {
  Neg,  // from here on an op of 0 is 0
  Abs,
  Sign,
  Relu,
  Floor,
  Ceil,
  Round,
  Trunc,
  BitwiseNot,  // from here on it need not be
  Exp,         // from here on the result is floating
  Log,
  Log2,
  Log10,
  Rsqrt,
  Reciprocal,
  Cos,
  Cosh,
  Acos,
  Pow,
  Sigmoid,
  LogSigmoid,
  Softplus,
  Hardsigmoid,
  Sqrt,  // from here on an op of 0 is 0
  Sin,
  Tan,
  Asin,
  Atan,
  Sinh,
  Tanh,
  Erf,
  Expm1,
  Log1p,
  Silu,
  Gelu,
  GeluTanh,
  Relu6,
  LeakyRelu,
  Elu,
  Hardswish,
  Mish,
  Count
};

/// `name` is the op that errors name; `parameter` is that of the functor, if it has one.
Tensor map(const char* name, BinaryOp op, const Tensor& a, const Tensor& b, double parameter = 0.0);
Tensor map(const char* name, BinaryOp op, const Tensor& a, Scalar b);
Tensor map(const char* name, BinaryOp op, Scalar a, const Tensor& b);
Tensor map(const char* name, UnaryOp op, const Tensor& input, double parameter = 0.0);
Tensor map_where(const Tensor& condition, const Tensor& a, const Tensor& b);
Tensor map_where(const Tensor& condition, const Tensor& a, Scalar b);
Tensor map_where(const Tensor& condition, Scalar a, const Tensor& b);

}  // namespace coppice
