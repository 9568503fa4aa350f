#pragma once

#include <optional>

#include <coppice/core/tensor.h>
#include <coppice/ops/scalar.h>

namespace coppice {

/// Elementwise arithmetic with broadcasting (sizes equal or 1, aligned at the end), differentiable any number of times.
///
/// Type promotion, the one table for all ops here:
///
/// | operands                      | computed and returned in                                            |
/// |-------------------------------|---------------------------------------------------------------------|
/// | two tensors                   | promote_types: floating > integral > bool, then the wider           |
/// | floating tensor, any number   | the tensor's dtype: a number never widens it                        |
/// | integral tensor, integer      | the tensor's dtype                                                  |
/// | bool tensor, integer          | int64                                                               |
/// | integral/bool tensor, double  | float32                                                             |
/// | result of div, pow and the functions of mathematics on integral or bool | float32                   |
/// | result of a comparison        | bool                                                                |
///
/// Unlike in PyTorch, a tensor without dimensions promotes like any other. Integers wrap around; bool + bool is "or",
/// bool · bool is "and". float16 and bfloat16 have no kernels: cast first.
COPPICE_API Tensor add(const Tensor& a, const Tensor& b);
COPPICE_API Tensor add(const Tensor& a, Scalar b);
COPPICE_API Tensor sub(const Tensor& a, const Tensor& b);
COPPICE_API Tensor sub(const Tensor& a, Scalar b);
COPPICE_API Tensor sub(Scalar a, const Tensor& b);
COPPICE_API Tensor mul(const Tensor& a, const Tensor& b);
COPPICE_API Tensor mul(const Tensor& a, Scalar b);
COPPICE_API Tensor div(const Tensor& a, const Tensor& b);
COPPICE_API Tensor div(const Tensor& a, Scalar b);
COPPICE_API Tensor div(Scalar a, const Tensor& b);

COPPICE_API Tensor neg(const Tensor& input);
/// The derivative at 0 is 0.
COPPICE_API Tensor abs(const Tensor& input);
/// -1, 0 or 1; its gradient is 0 and not recorded.
COPPICE_API Tensor sign(const Tensor& input);
/// In float32 within 1 ulp.
COPPICE_API Tensor exp(const Tensor& input);
COPPICE_API Tensor log(const Tensor& input);
COPPICE_API Tensor sqrt(const Tensor& input);
COPPICE_API Tensor pow(const Tensor& input, double exponent);

/// NaN where either is NaN. Where both are equal each gets half of the gradient.
COPPICE_API Tensor maximum(const Tensor& a, const Tensor& b);
COPPICE_API Tensor minimum(const Tensor& a, const Tensor& b);
/// Limited to [min, max]; at least one bound must be given. The derivative at a bound is 1.
COPPICE_API Tensor clamp(const Tensor& input, std::optional<Scalar> min, std::optional<Scalar> max = {});

/// start + weight · (end − start), of floating dtypes; exactly start at weight 0 and end at weight 1.
COPPICE_API Tensor lerp(const Tensor& start, const Tensor& end, double weight);
COPPICE_API Tensor lerp(const Tensor& start, const Tensor& end, const Tensor& weight);

/// Comparisons give bool and have no gradient. Anything but ne is false for NaN.
COPPICE_API Tensor eq(const Tensor& a, const Tensor& b);
COPPICE_API Tensor eq(const Tensor& a, Scalar b);
COPPICE_API Tensor ne(const Tensor& a, const Tensor& b);
COPPICE_API Tensor ne(const Tensor& a, Scalar b);
COPPICE_API Tensor lt(const Tensor& a, const Tensor& b);
COPPICE_API Tensor lt(const Tensor& a, Scalar b);
COPPICE_API Tensor le(const Tensor& a, const Tensor& b);
COPPICE_API Tensor le(const Tensor& a, Scalar b);
COPPICE_API Tensor gt(const Tensor& a, const Tensor& b);
COPPICE_API Tensor gt(const Tensor& a, Scalar b);
COPPICE_API Tensor ge(const Tensor& a, const Tensor& b);
COPPICE_API Tensor ge(const Tensor& a, Scalar b);

/// `a` where the bool tensor `condition` is set, else `b`; all three broadcast.
COPPICE_API Tensor where(const Tensor& condition, const Tensor& a, const Tensor& b);
COPPICE_API Tensor where(const Tensor& condition, const Tensor& a, Scalar b);
COPPICE_API Tensor where(const Tensor& condition, Scalar a, const Tensor& b);

inline Tensor operator-(const Tensor& input) { return neg(input); }
inline Tensor operator+(const Tensor& a, const Tensor& b) { return add(a, b); }
inline Tensor operator+(const Tensor& a, Scalar b) { return add(a, b); }
inline Tensor operator+(Scalar a, const Tensor& b) { return add(b, a); }
inline Tensor operator-(const Tensor& a, const Tensor& b) { return sub(a, b); }
inline Tensor operator-(const Tensor& a, Scalar b) { return sub(a, b); }
inline Tensor operator-(Scalar a, const Tensor& b) { return sub(a, b); }
inline Tensor operator*(const Tensor& a, const Tensor& b) { return mul(a, b); }
inline Tensor operator*(const Tensor& a, Scalar b) { return mul(a, b); }
inline Tensor operator*(Scalar a, const Tensor& b) { return mul(b, a); }
inline Tensor operator/(const Tensor& a, const Tensor& b) { return div(a, b); }
inline Tensor operator/(const Tensor& a, Scalar b) { return div(a, b); }
inline Tensor operator/(Scalar a, const Tensor& b) { return div(a, b); }
inline Tensor operator<(const Tensor& a, const Tensor& b) { return lt(a, b); }
inline Tensor operator<(const Tensor& a, Scalar b) { return lt(a, b); }
inline Tensor operator<=(const Tensor& a, const Tensor& b) { return le(a, b); }
inline Tensor operator<=(const Tensor& a, Scalar b) { return le(a, b); }
inline Tensor operator>(const Tensor& a, const Tensor& b) { return gt(a, b); }
inline Tensor operator>(const Tensor& a, Scalar b) { return gt(a, b); }
inline Tensor operator>=(const Tensor& a, const Tensor& b) { return ge(a, b); }
inline Tensor operator>=(const Tensor& a, Scalar b) { return ge(a, b); }

}  // namespace coppice
