// The loops of one functor, once per SIMD target, and where they stand in the tables of ops/cpu/elementwise.h.

#if defined(COPPICE_OPS_CPU_ELEMENTWISE_LOOPS_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_ELEMENTWISE_LOOPS_INL_H_
#undef COPPICE_OPS_CPU_ELEMENTWISE_LOOPS_INL_H_
#else
#define COPPICE_OPS_CPU_ELEMENTWISE_LOOPS_INL_H_
#endif

#include <hwy/highway.h>

#include <coppice/ops/cpu/elementwise.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {
namespace {

template <class F>
HWY_INLINE F make_functor(double parameter) {
  if constexpr (requires { F{parameter}; }) {
    return F{parameter};
  } else {
    return F{};
  }
}

template <class F, class T, class R>
void binary_loop(const void* a, const void* b, void* out, std::int64_t count, double parameter) {
  const T* x = static_cast<const T*>(a);
  const T* y = static_cast<const T*>(b);
  R* HWY_RESTRICT z = static_cast<R*>(out);
  const F f = make_functor<F>(parameter);
  for (std::int64_t i = 0; i < count; ++i) z[i] = static_cast<R>(f(x[i], y[i]));
}

template <class F, class T>
void unary_loop(const void* in, void* out, std::int64_t count, double parameter) {
  const T* x = static_cast<const T*>(in);
  T* HWY_RESTRICT z = static_cast<T*>(out);
  const F f = make_functor<F>(parameter);
  for (std::int64_t i = 0; i < count; ++i) z[i] = f(x[i]);
  if constexpr (std::is_same_v<T, float> && requires { F::is_far(0.0F); }) {
    int far = 0;
    for (std::int64_t i = 0; i < count; ++i) far |= F::is_far(x[i]) ? 1 : 0;
    for (std::int64_t i = 0; far != 0 && i < count; ++i) {
      if (F::is_far(x[i])) z[i] = F::far(x[i]);
    }
  }
}

template <class F, class T, class R = T>
void set(ElementwiseKernels& kernels, BinaryOp op) {
  kernels.binary[static_cast<std::size_t>(op)][static_cast<std::size_t>(dtype_of<T>())] = binary_loop<F, T, R>;
}
template <class F, class T>
void set(ElementwiseKernels& kernels, UnaryOp op) {
  kernels.unary[static_cast<std::size_t>(op)][static_cast<std::size_t>(dtype_of<T>())] = unary_loop<F, T>;
}
template <class F, class Op>
void set_floating(ElementwiseKernels& kernels, Op op) {
  set<F, float>(kernels, op);
  set<F, double>(kernels, op);
}

}  // namespace
}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
