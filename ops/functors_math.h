#pragma once

#include <cmath>
#include <concepts>

#include <coppice/ops/functors.h>
#include <coppice/ops/functors_wide.h>

// The functions of mathematics as functors (see ops/functors.h): f32 through ops/functors_wide.h, f64 through the C
// library.

#define COPPICE_FUNCTOR [[gnu::always_inline]] inline

namespace coppice::functor {

struct Log {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::log(x)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::log(x); }
};
struct Log2 {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::log2(x)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::log2(x); }
};
struct Log1p {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::log1p(x)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::log1p(x); }
};
struct Expm1 {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::expm1(x)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::expm1(x); }
};
struct Erf {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::erf(x)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::erf(x); }
};
struct Log10 {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::log(x) * 0.43429448190325182765); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::log10(x); }
};
struct Reciprocal {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return T{1} / x;
  }
};
struct Rsqrt {
  COPPICE_FUNCTOR float operator()(float x) const {
    return static_cast<float>(1.0 / std::sqrt(static_cast<double>(x)));
  }
  COPPICE_FUNCTOR double operator()(double x) const { return 1.0 / std::sqrt(x); }
};

/// A function of an angle. What is far from 0 (is_far) a second pass over the loop puts right.
struct Sin {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::sin_of(wide::reduce(x))); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::sin(x); }
  COPPICE_FUNCTOR static bool is_far(float x) { return std::fabs(x) >= wide::kFarAngle; }
  static float far(float x) { return x - x == 0.0F ? static_cast<float>(wide::sin_of(wide::reduce_far(x))) : x - x; }
};
struct Cos {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::cos_of(wide::reduce(x))); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::cos(x); }
  COPPICE_FUNCTOR static bool is_far(float x) { return std::fabs(x) >= wide::kFarAngle; }
  static float far(float x) { return x - x == 0.0F ? static_cast<float>(wide::cos_of(wide::reduce_far(x))) : x - x; }
};
struct Tan {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::tan_of(wide::reduce(x))); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::tan(x); }
  COPPICE_FUNCTOR static bool is_far(float x) { return std::fabs(x) >= wide::kFarAngle; }
  static float far(float x) { return x - x == 0.0F ? static_cast<float>(wide::tan_of(wide::reduce_far(x))) : x - x; }
};
struct Asin {
  COPPICE_FUNCTOR float operator()(float x) const {
    return static_cast<float>(
        wide::atan2(x, std::sqrt((1.0 - static_cast<double>(x)) * (1.0 + static_cast<double>(x)))));
  }
  COPPICE_FUNCTOR double operator()(double x) const { return std::asin(x); }
};
struct Acos {
  COPPICE_FUNCTOR float operator()(float x) const {
    return static_cast<float>(
        wide::atan2(std::sqrt((1.0 - static_cast<double>(x)) * (1.0 + static_cast<double>(x))), x));
  }
  COPPICE_FUNCTOR double operator()(double x) const { return std::acos(x); }
};
struct Atan {
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::atan2(x, 1.0)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::atan(x); }
};
/// (e − 1/e) / 2 from e − 1, so that nothing cancels near 0.
struct Sinh {
  COPPICE_FUNCTOR float operator()(float x) const {
    const double e = wide::expm1(std::fabs(static_cast<double>(x)));
    return std::copysign(static_cast<float>(0.5 * (e + e / (e + 1.0))), x);
  }
  COPPICE_FUNCTOR double operator()(double x) const { return std::sinh(x); }
};
struct Cosh {
  COPPICE_FUNCTOR float operator()(float x) const {
    return static_cast<float>(0.5 * (wide::exp(x) + wide::exp(-static_cast<double>(x))));
  }
  COPPICE_FUNCTOR double operator()(double x) const { return std::cosh(x); }
};
struct Tanh {
  COPPICE_FUNCTOR float operator()(float x) const {
    const double e = wide::expm1(2.0 * std::fabs(static_cast<double>(x)));
    return std::copysign(static_cast<float>(e / (e + 2.0)), x);
  }
  COPPICE_FUNCTOR double operator()(double x) const { return std::tanh(x); }
};

struct Pow {
  COPPICE_FUNCTOR float operator()(float x, float y) const { return static_cast<float>(wide::pow(x, y)); }
  COPPICE_FUNCTOR double operator()(double x, double y) const { return std::pow(x, y); }
};
struct PowNumber {
  double exponent;
  COPPICE_FUNCTOR float operator()(float x) const { return static_cast<float>(wide::pow(x, exponent)); }
  COPPICE_FUNCTOR double operator()(double x) const { return std::pow(x, exponent); }
};
struct Atan2 {
  COPPICE_FUNCTOR float operator()(float y, float x) const { return static_cast<float>(wide::atan2(y, x)); }
  COPPICE_FUNCTOR double operator()(double y, double x) const { return std::atan2(y, x); }
};

}  // namespace coppice::functor

#undef COPPICE_FUNCTOR
