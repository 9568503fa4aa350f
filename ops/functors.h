#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

// What each elementwise op does to one element, written once: every CPU target and every device instantiates these in
// its own loops. They are free of branches where a vectoriser would stumble, and use no operation whose rounding
// depends on the instruction set, so that all targets give the same bits.

#define COPPICE_FUNCTOR [[gnu::always_inline]] inline

namespace coppice::functor {

namespace detail {
/// The unsigned type in which integers wrap around; floating types as they are.
template <class T, bool = std::is_integral_v<T>>
struct Wrapping {
  using type = T;
};
template <class T>
struct Wrapping<T, true> {
  using type = std::make_unsigned_t<T>;
};
}  // namespace detail

/// e^x within 1 ulp, vectorisable: x = n·ln 2 + r, a polynomial in r (Cephes), and 2^n in two factors so that results
/// below the normal range are right.
COPPICE_FUNCTOR float exp_f32(float x) {
  constexpr float kRound = 0x1.8p23F;  // adding it leaves round(x) in the low bits
  const float below = x > 89.0F ? 89.0F : x;
  const float inside = below < -105.0F ? -105.0F : below;
  const float shifted = inside * 1.44269504F + kRound;
  const float n = shifted - kRound;
  const float r = (inside - n * 0.693359375F) + n * 2.12194440e-4F;
  float p = 1.9875691500e-4F;
  p = p * r + 1.3981999507e-3F;
  p = p * r + 8.3334519073e-3F;
  p = p * r + 4.1665795894e-2F;
  p = p * r + 1.6666665459e-1F;
  p = p * r + 5.0000001201e-1F;
  p = p * (r * r) + r + 1.0F;
  const std::int32_t exponent = static_cast<std::int32_t>(std::bit_cast<std::uint32_t>(shifted) - 0x4B400000U);
  const std::int32_t half = exponent >> 1;
  const auto power = [](std::int32_t e) __attribute__((always_inline)) {
    return std::bit_cast<float>(static_cast<std::uint32_t>(e + 127) << 23);
  };
  return p * power(half) * power(exponent - half);
}

struct Add {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    using W = typename detail::Wrapping<T>::type;
    return static_cast<T>(static_cast<W>(a) + static_cast<W>(b));
  }
};
struct Sub {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    using W = typename detail::Wrapping<T>::type;
    return static_cast<T>(static_cast<W>(a) - static_cast<W>(b));
  }
};
struct Mul {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    using W = typename detail::Wrapping<T>::type;
    return static_cast<T>(static_cast<W>(a) * static_cast<W>(b));
  }
};
struct Div {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return a / b;
  }
};
/// NaN if either is.
struct Maximum {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return ((a > b) | (a != a)) ? a : b;
  }
};
struct Minimum {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return ((a < b) | (a != a)) ? a : b;
  }
};
/// The gradient of relu: d where y > 0.
struct ReluBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T y) const {
    return y > T{0} ? d : T{0};
  }
};

struct Equal {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return a == b;
  }
};
struct NotEqual {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return a != b;
  }
};
struct Less {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return a < b;
  }
};
struct LessEqual {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return a <= b;
  }
};

struct Neg {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return -x;
    } else {
      return Sub{}(T{0}, x);
    }
  }
};
struct Abs {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fabs(x);
    } else {
      return x < T{0} ? Neg{}(x) : x;
    }
  }
};
/// -1, 0 or 1; NaN stays.
struct Sign {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    const T unit = x > T{0} ? T{1} : x;
    return unit < T{0} ? static_cast<T>(-1) : unit;
  }
};
/// max(x, 0); NaN stays.
struct Relu {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return x <= T{0} ? T{0} : x;
  }
};
struct Exp {
  COPPICE_FUNCTOR float operator()(float x) const { return exp_f32(x); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::exp(x); }
};
struct Sqrt {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return std::sqrt(x);
  }
};

/// erf within 4 ulp, vectorisable: an odd rational function, exactly ±1 from where f32 rounds to it.
/// Source: the coefficients of XLA's math library.
COPPICE_FUNCTOR float erf_f32(float x) {
  constexpr float kOne = 3.7439212F;
  const float square = x * x;
  float p = 2.2905065861350646e-4F;
  p = p * square + 3.4082910107109506e-3F;
  p = p * square + 5.0955695062380861e-2F;
  p = p * square + 1.8520832239976145e-1F;
  p = p * square + 1.128379143519084F;
  float q = -1.1791602954361697e-7F;
  q = q * square + 2.3547966471313185e-5F;
  q = q * square + 1.0179625278914885e-3F;
  q = q * square + 1.4070470171167667e-2F;
  q = q * square + 1.1098505178285362e-1F;
  q = q * square + 4.9746925110067538e-1F;
  q = q * square + 1.0F;
  const float inside = x * p / q;
  return x > kOne ? 1.0F : x < -kOne ? -1.0F : inside;
}
struct RoughErf {
  COPPICE_FUNCTOR float operator()(float x) const { return erf_f32(x); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::erf(x); }
};

}  // namespace coppice::functor

#undef COPPICE_FUNCTOR
