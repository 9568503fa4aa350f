#pragma once

#include <cstdint>
#include <limits>
#include <type_traits>

#include <coppice/ops/functors.h>

namespace coppice::cpu {

/// A value that changes no result of the folding functor F.
template <class F, class T>
constexpr T neutral() {
  using Limits = std::numeric_limits<T>;
  if constexpr (std::is_same_v<F, functor::Add>) {
    return T{0};
  } else if constexpr (Limits::has_infinity) {
    return std::is_same_v<F, functor::Maximum> ? -Limits::infinity() : Limits::infinity();
  } else {
    return std::is_same_v<F, functor::Maximum> ? Limits::lowest() : Limits::max();
  }
}

// What a fold may load. Functors rather than lambdas at the call: a lambda would belong to the caller's instruction set
// and could not be inlined here.

/// x[i]
template <class T>
struct LoadPlain {
  const T* x;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return x[i]; }
};
/// x[i] − offset
template <class T>
struct LoadShifted {
  const T* x;
  T offset;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return x[i] - offset; }
};
/// x[i] · y[i]
template <class T>
struct LoadProduct {
  const T* x;
  const T* y;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return x[i] * y[i]; }
};
/// exp(x[i] − offset)
template <class T>
struct LoadExp {
  const T* x;
  T offset;
  [[gnu::always_inline]] T operator()(std::int64_t i) const { return functor::Exp{}(x[i] - offset); }
};

template <class F, class T, std::int64_t kLanes, class Load>
[[gnu::always_inline]] inline T fold_lanes(std::int64_t count, Load load) {
  T lanes[kLanes];
  for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = neutral<F, T>();
  std::int64_t i = 0;
  for (; i + kLanes <= count; i += kLanes) {
    for (std::int64_t l = 0; l < kLanes; ++l) lanes[l] = F{}(lanes[l], load(i + l));
  }
  for (std::int64_t l = 0; i + l < count; ++l) lanes[l] = F{}(lanes[l], load(i + l));
  for (std::int64_t half = kLanes / 2; half > 0; half /= 2) {
    for (std::int64_t l = 0; l < half; ++l) lanes[l] = F{}(lanes[l], lanes[l + half]);
  }
  return lanes[0];
}

/// Folds load(0) … load(count - 1): element i into lane i mod 64 (mod 4 when there are fewer than 64), then the lanes
/// by halves. The order depends on `count` alone, so the result is the same on every instruction set. Inlined, with
/// `load`, into the vectorised code that calls it.
template <class F, class T, class Load>
[[gnu::always_inline]] inline T fold(std::int64_t count, Load load) {
  return count < 64 ? fold_lanes<F, T, 4>(count, load) : fold_lanes<F, T, 64>(count, load);
}

}  // namespace coppice::cpu
