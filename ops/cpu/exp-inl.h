// e^x of several vectors at once, once per SIMD target.

#if defined(COPPICE_OPS_CPU_EXP_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef COPPICE_OPS_CPU_EXP_INL_H_
#undef COPPICE_OPS_CPU_EXP_INL_H_
#else
#define COPPICE_OPS_CPU_EXP_INL_H_
#endif

#include <hwy/highway.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <cstdint>

#include <coppice/ops/cpu/simd-inl.h>
#include <coppice/ops/functors.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// x ← e^x, with the operations and so the bits of functor::exp_f32. Each waits for the one before: vectors take their
/// steps in turn, or most of the time would be waiting.
template <std::size_t n, class D>
HWY_INLINE void exp_in_turn(D d, hn::Vec<D> (&x)[n]) {
  const hn::RebindToSigned<D> di;
  using V = hn::Vec<D>;
  const auto round = hn::Set(d, 0x1.8p23F);
  V shifted[n], p[n];
  unroll<n>([&](auto i) HWY_ATTR {
    x[i] = hn::IfThenElse(hn::Gt(x[i], hn::Set(d, 89.0F)), hn::Set(d, 89.0F), x[i]);
    x[i] = hn::IfThenElse(hn::Lt(x[i], hn::Set(d, -105.0F)), hn::Set(d, -105.0F), x[i]);
  });
  unroll<n>([&](auto i) HWY_ATTR { shifted[i] = hn::Add(hn::Mul(x[i], hn::Set(d, 1.44269504F)), round); });
  unroll<n>([&](auto i) HWY_ATTR { p[i] = hn::Sub(shifted[i], round); });
  unroll<n>([&](auto i) HWY_ATTR { x[i] = hn::Sub(x[i], hn::Mul(p[i], hn::Set(d, 0.693359375F))); });
  unroll<n>([&](auto i) HWY_ATTR { x[i] = hn::Add(x[i], hn::Mul(p[i], hn::Set(d, 2.12194440e-4F))); });
  unroll<n>([&](auto i) HWY_ATTR { p[i] = hn::Set(d, 1.9875691500e-4F); });
  const auto step = [&](float coefficient) HWY_ATTR {
    unroll<n>([&](auto i) HWY_ATTR { p[i] = hn::Add(hn::Mul(p[i], x[i]), hn::Set(d, coefficient)); });
  };
  step(1.3981999507e-3F);
  step(8.3334519073e-3F);
  step(4.1665795894e-2F);
  step(1.6666665459e-1F);
  step(5.0000001201e-1F);
  unroll<n>([&](auto i)
                HWY_ATTR { p[i] = hn::Add(hn::Add(hn::Mul(p[i], hn::Mul(x[i], x[i])), x[i]), hn::Set(d, 1.0F)); });
  unroll<n>([&](auto i) HWY_ATTR {
    const auto exponent = hn::Sub(hn::BitCast(di, shifted[i]), hn::Set(di, 0x4B400000));
    const auto half = hn::ShiftRight<1>(exponent);
    const auto power = [&](hn::Vec<decltype(di)> e)
                           HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(e, hn::Set(di, 127)))); };
    x[i] = hn::Mul(hn::Mul(p[i], power(half)), power(hn::Sub(exponent, half)));
  });
}

/// to[i] = e^(from[i] − offset)
HWY_INLINE void exp_run(const float* from, float offset, std::int64_t count, float* to) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  constexpr std::size_t kTurns = 4;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const V minus = hn::Set(d, offset);
  std::int64_t i = 0;
  for (; i + static_cast<std::int64_t>(kTurns) * lanes <= count; i += static_cast<std::int64_t>(kTurns) * lanes) {
    V x[kTurns];
    unroll<kTurns>([&](auto k) HWY_ATTR {
      x[k] = hn::Sub(hn::LoadU(d, from + i + static_cast<std::int64_t>(k.value) * lanes), minus);
    });
    exp_in_turn(d, x);
    unroll<kTurns>([&](auto k) HWY_ATTR { hn::StoreU(x[k], d, to + i + static_cast<std::int64_t>(k.value) * lanes); });
  }
  for (; i < count; ++i) to[i] = functor::exp_f32(from[i] - offset);
}
HWY_INLINE void exp_run(const double* from, double offset, std::int64_t count, double* to) {
  for (std::int64_t i = 0; i < count; ++i) to[i] = std::exp(from[i] - offset);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
