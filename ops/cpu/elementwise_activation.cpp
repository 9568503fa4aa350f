// Activations and their derivatives: the loops of ops/cpu/elementwise.h.
//
// Mapping        plain loops over the functors, compiled once per instruction set and vectorised by the compiler; f64
//                calls the C library.
// Bound          arithmetic: 20 to 40 operations in double per element.
// Deterministic  yes, and f32 has the same bits on every instruction set.
// Measure        coppice-bench --benchmark_filter=elementwise

#include <coppice/ops/cpu/elementwise.h>

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE <coppice/ops/cpu/elementwise_activation.cpp>
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

#include <coppice/ops/cpu/elementwise_loops-inl.h>
#include <coppice/ops/functors_activation.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

void add_activation(ElementwiseKernels& kernels) {
  set_floating<functor::Sigmoid>(kernels, UnaryOp::Sigmoid);
  set_floating<functor::LogSigmoid>(kernels, UnaryOp::LogSigmoid);
  set_floating<functor::Softplus>(kernels, UnaryOp::Softplus);
  set_floating<functor::Hardsigmoid>(kernels, UnaryOp::Hardsigmoid);
  set_floating<functor::Silu>(kernels, UnaryOp::Silu);
  set_floating<functor::Gelu>(kernels, UnaryOp::Gelu);
  set_floating<functor::GeluTanh>(kernels, UnaryOp::GeluTanh);
  set_floating<functor::Relu6>(kernels, UnaryOp::Relu6);
  set_floating<functor::LeakyRelu>(kernels, UnaryOp::LeakyRelu);
  set_floating<functor::Elu>(kernels, UnaryOp::Elu);
  set_floating<functor::Hardswish>(kernels, UnaryOp::Hardswish);
  set_floating<functor::Mish>(kernels, UnaryOp::Mish);
  set_floating<functor::SiluBackward>(kernels, BinaryOp::SiluBackward);
  set_floating<functor::GeluBackward>(kernels, BinaryOp::GeluBackward);
  set_floating<functor::GeluTanhBackward>(kernels, BinaryOp::GeluTanhBackward);
  set_floating<functor::SigmoidBackward>(kernels, BinaryOp::SigmoidBackward);
  set_floating<functor::TanhBackward>(kernels, BinaryOp::TanhBackward);
  set_floating<functor::LogSigmoidBackward>(kernels, BinaryOp::LogSigmoidBackward);
  set_floating<functor::SoftplusBackward>(kernels, BinaryOp::SoftplusBackward);
  set_floating<functor::HardsigmoidBackward>(kernels, BinaryOp::HardsigmoidBackward);
  set_floating<functor::Relu6Backward>(kernels, BinaryOp::Relu6Backward);
  set_floating<functor::LeakyReluBackward>(kernels, BinaryOp::LeakyReluBackward);
  set_floating<functor::EluBackward>(kernels, BinaryOp::EluBackward);
  set_floating<functor::HardswishBackward>(kernels, BinaryOp::HardswishBackward);
  set_floating<functor::MishBackward>(kernels, BinaryOp::MishBackward);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace coppice::cpu {

HWY_EXPORT(add_activation);

void add_activation_kernels(ElementwiseKernels& kernels) { HWY_DYNAMIC_DISPATCH(add_activation)(kernels); }

}  // namespace coppice::cpu
#endif
