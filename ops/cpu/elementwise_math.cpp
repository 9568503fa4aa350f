// The functions of mathematics: the loops of ops/cpu/elementwise.h.
//
// Mapping        plain loops over the functors, compiled once per instruction set and vectorised by the compiler; f64
//                calls the C library.
// Bound          arithmetic: 20 to 40 operations in double per element.
// Deterministic  yes, and f32 has the same bits on every instruction set.
// Measure        coppice-bench --benchmark_filter=elementwise

#include <coppice/ops/cpu/elementwise.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/elementwise_math.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/elementwise_loops-inl.h>
#include <coppice/ops/functors_math.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

void add_math(ElementwiseKernels& kernels) {
  set_floating<functor::Log>(kernels, UnaryOp::Log);
  set_floating<functor::Log2>(kernels, UnaryOp::Log2);
  set_floating<functor::Log10>(kernels, UnaryOp::Log10);
  set_floating<functor::Rsqrt>(kernels, UnaryOp::Rsqrt);
  set_floating<functor::Reciprocal>(kernels, UnaryOp::Reciprocal);
  set_floating<functor::Cos>(kernels, UnaryOp::Cos);
  set_floating<functor::Cosh>(kernels, UnaryOp::Cosh);
  set_floating<functor::Acos>(kernels, UnaryOp::Acos);
  set_floating<functor::Sin>(kernels, UnaryOp::Sin);
  set_floating<functor::Tan>(kernels, UnaryOp::Tan);
  set_floating<functor::Asin>(kernels, UnaryOp::Asin);
  set_floating<functor::Atan>(kernels, UnaryOp::Atan);
  set_floating<functor::Sinh>(kernels, UnaryOp::Sinh);
  set_floating<functor::Tanh>(kernels, UnaryOp::Tanh);
  set_floating<functor::Erf>(kernels, UnaryOp::Erf);
  set_floating<functor::Expm1>(kernels, UnaryOp::Expm1);
  set_floating<functor::Log1p>(kernels, UnaryOp::Log1p);
  set_floating<functor::PowNumber>(kernels, UnaryOp::Pow);
  set_floating<functor::Pow>(kernels, BinaryOp::Pow);
  set_floating<functor::Atan2>(kernels, BinaryOp::Atan2);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(add_math);

void add_math_kernels(ElementwiseKernels& kernels) { HWY_DYNAMIC_DISPATCH(add_math)(kernels); }

}  // namespace coppice::cpu
#endif
