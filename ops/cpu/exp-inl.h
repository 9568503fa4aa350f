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
#include <limits>

#include <coppice/ops/cpu/fold.h>
#include <coppice/ops/cpu/simd-inl.h>
#include <coppice/ops/functors.h>

HWY_BEFORE_NAMESPACE();
namespace coppice::cpu::HWY_NAMESPACE {

/// x = n · ln 2 + r: leaves r in `x`, and n, as the low bits of a large number, in `shifted`. Each operation waits for
/// the one before: vectors take their steps in turn, or most of the time would be waiting.
template <std::size_t n, class D>
HWY_INLINE void split_powers(D d, hn::Vec<D> (&x)[n], hn::Vec<D> (&shifted)[n]) {
  const auto round = hn::Set(d, 0x1.8p23F);
  hn::Vec<D> whole[n];
  unroll<n>([&](auto i) HWY_ATTR { shifted[i] = hn::MulAdd(x[i], hn::Set(d, 1.44269504F), round); });
  unroll<n>([&](auto i) HWY_ATTR { whole[i] = hn::Sub(shifted[i], round); });
  unroll<n>([&](auto i) HWY_ATTR { x[i] = hn::NegMulAdd(whole[i], hn::Set(d, 0.693359375F), x[i]); });
  unroll<n>([&](auto i) HWY_ATTR { x[i] = hn::MulAdd(whole[i], hn::Set(d, 2.12194440e-4F), x[i]); });
}

/// x ← e^x for |x| ≤ ½ ln 2: 1 + x + x² · a polynomial, its relative error minimal, 2^-28.
template <std::size_t n, class D>
HWY_INLINE void exp_near_zero(D d, hn::Vec<D> (&x)[n]) {
  hn::Vec<D> p[n];
  unroll<n>([&](auto i) HWY_ATTR { p[i] = hn::Set(d, 1.3814540580e-3F); });
  const auto step = [&](float coefficient) HWY_ATTR {
    unroll<n>([&](auto i) HWY_ATTR { p[i] = hn::MulAdd(p[i], x[i], hn::Set(d, coefficient)); });
  };
  step(8.3687454462e-3F);
  step(4.1668388993e-2F);
  step(1.6666521132e-1F);
  step(4.9999994040e-1F);
  step(1.0F);
  step(1.0F);
  unroll<n>([&](auto i) HWY_ATTR { x[i] = p[i]; });
}

/// exp_in_turn for numbers that may be anything.
template <std::size_t n, class D>
HWY_INLINE void exp_anywhere(D d, hn::Vec<D> (&x)[n]) {
  const hn::RebindToSigned<D> di;
  hn::Vec<D> shifted[n];
  unroll<n>([&](auto i) HWY_ATTR {
    x[i] = hn::IfThenElse(hn::Gt(x[i], hn::Set(d, 89.0F)), hn::Set(d, 89.0F), x[i]);
    x[i] = hn::IfThenElse(hn::Lt(x[i], hn::Set(d, -105.0F)), hn::Set(d, -105.0F), x[i]);
  });
  split_powers(d, x, shifted);
  exp_near_zero(d, x);
  // 2^n in two factors, so that results below the normal range are right.
  unroll<n>([&](auto i) HWY_ATTR {
    const auto exponent = hn::Sub(hn::BitCast(di, shifted[i]), hn::Set(di, 0x4B400000));
    const auto half = hn::ShiftRight<1>(exponent);
    const auto power = [&](hn::Vec<decltype(di)> e)
                           HWY_ATTR { return hn::BitCast(d, hn::ShiftLeft<23>(hn::Add(e, hn::Set(di, 127)))); };
    x[i] = hn::Mul(hn::Mul(x[i], power(half)), power(hn::Sub(exponent, half)));
  });
}

/// x ← e^x within 1 ulp, whatever stands beside it.
template <std::size_t n, class D>
HWY_INLINE void exp_in_turn(D d, hn::Vec<D> (&x)[n]) {
  const hn::RebindToSigned<D> di;
  // Magnitudes compare as their bits do, NaN above all numbers. Results of these are normal, and a product with a power
  // of two is a sum of exponents.
  const auto magnitude = [&](hn::Vec<D> v) HWY_ATTR { return hn::BitCast(di, hn::Abs(v)); };
  auto largest = magnitude(x[0]);
  unroll<n - 1>([&](auto i) HWY_ATTR { largest = hn::Max(largest, magnitude(x[i + 1])); });
  if (!hn::AllTrue(di, hn::Lt(largest, hn::BitCast(di, hn::Set(d, 87.0F))))) [[unlikely]] {
    return exp_anywhere(d, x);
  }
  hn::Vec<D> shifted[n];
  split_powers(d, x, shifted);
  exp_near_zero(d, x);
  unroll<n>([&](auto i) HWY_ATTR {
    x[i] = hn::BitCast(d, hn::Add(hn::BitCast(di, x[i]), hn::ShiftLeft<23>(hn::BitCast(di, shifted[i]))));
  });
}

/// Vectors that exp_terms takes in turn.
inline constexpr std::size_t kExpTurns = 4;

/// Σ e^(from[i] − offset), in an order that depends on `count` alone; leaves the terms in `to` if kKeep. Meanwhile
/// `ahead`, as many, come nearer.
template <bool kKeep>
HWY_INLINE float exp_terms(const float* from, float offset, std::int64_t count, float* to, const float* ahead) {
  const hn::ScalableTag<float> d;
  using V = hn::Vec<decltype(d)>;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const std::int64_t step = static_cast<std::int64_t>(kExpTurns) * lanes;
  const V minus = hn::Set(d, offset);
  V sums[kExpTurns];
  unroll<kExpTurns>([&](auto k) HWY_ATTR { sums[k] = hn::Zero(d); });
  std::int64_t i = 0;
  for (; i + step <= count; i += step) {
    V x[kExpTurns];
    if (ahead != nullptr) {
      for (std::int64_t line = 0; line < step; line += kLineElements<float>) hwy::Prefetch(ahead + i + line);
    }
    unroll<kExpTurns>([&](auto k) HWY_ATTR {
      x[k] = hn::Sub(hn::LoadU(d, from + i + static_cast<std::int64_t>(k.value) * lanes), minus);
    });
    exp_in_turn(d, x);
    unroll<kExpTurns>([&](auto k) HWY_ATTR {
      if constexpr (kKeep) hn::StoreU(x[k], d, to + i + static_cast<std::int64_t>(k.value) * lanes);
      sums[k] = hn::Add(sums[k], x[k]);
    });
  }
  V x[1];
  for (; i + lanes <= count; i += lanes) {
    x[0] = hn::Sub(hn::LoadU(d, from + i), minus);
    exp_in_turn(d, x);
    if constexpr (kKeep) hn::StoreU(x[0], d, to + i);
    sums[0] = hn::Add(sums[0], x[0]);
  }
  if (i < count) {
    HWY_ALIGN float rest[hn::MaxLanes(d)];
    for (std::int64_t l = 0; l < lanes; ++l) {
      rest[l] = i + l < count ? from[i + l] - offset : -std::numeric_limits<float>::infinity();
    }
    x[0] = hn::Load(d, rest);
    exp_in_turn(d, x);
    sums[0] = hn::Add(sums[0], x[0]);
    hn::Store(x[0], d, rest);
    if constexpr (kKeep) std::copy_n(rest, count - i, to + i);
  }
  unroll<kExpTurns - 1>([&](auto k) HWY_ATTR { sums[0] = hn::Add(sums[0], sums[k + 1]); });
  return hn::GetLane(hn::SumOfLanes(d, sums[0]));
}
template <bool kKeep>
HWY_INLINE double exp_terms(const double* from, double offset, std::int64_t count, double* to, const double*) {
  if constexpr (kKeep) {
    for (std::int64_t i = 0; i < count; ++i) to[i] = std::exp(from[i] - offset);
    return fold<functor::Add, double>(count, LoadPlain<double>{to});
  } else {
    return fold<functor::Add, double>(count, LoadExp<double>{from, offset});
  }
}

/// to[i] = e^(from[i] − offset), and their sum.
template <class T>
HWY_INLINE T exp_run(const T* from, T offset, std::int64_t count, T* to, const T* ahead = nullptr) {
  return exp_terms<true>(from, offset, count, to, ahead);
}

/// The sum alone.
template <class T>
HWY_INLINE T exp_sum(const T* from, T offset, std::int64_t count, const T* ahead = nullptr) {
  return exp_terms<false>(from, offset, count, static_cast<T*>(nullptr), ahead);
}

}  // namespace coppice::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif  // per-target include guard
