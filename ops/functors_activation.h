#pragma once

#include <cmath>
#include <concepts>

#include <coppice/ops/functors.h>
#include <coppice/ops/functors_wide.h>

// Activations and their derivatives as functors (see ops/functors.h). A backward is of d_output and the input.

#define COPPICE_FUNCTOR [[gnu::always_inline]] inline

namespace coppice::functor {

template <class T>
COPPICE_FUNCTOR T sigmoid(T x) {
  return T{1} / (T{1} + Exp{}(-x));
}
struct Silu {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return x / (T{1} + Exp{}(-x));
  }
};
struct SiluBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const T s = sigmoid(x);
    return d * (s * (T{1} + x * (T{1} - s)));
  }
};

/// Φ(x), of the standard normal distribution.
template <class T>
COPPICE_FUNCTOR T normal_share(T x) {
  return static_cast<T>(0.5) * (T{1} + RoughErf{}(x * static_cast<T>(0.70710678118654752440)));
}
struct Gelu {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return x * normal_share(x);
  }
};
struct GeluBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const T density = Exp{}(x * x * static_cast<T>(-0.5)) * static_cast<T>(0.39894228040143267794);
    return d * (normal_share(x) + x * density);
  }
};

inline constexpr double kGeluCubic = 0.044715;
inline constexpr double kGeluSlope = 1.5957691216057307117;  // 2 · √(2 / π): sigmoid(2u) = (1 + tanh(u)) / 2
struct GeluTanh {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    const T v = static_cast<T>(kGeluSlope) * (x + static_cast<T>(kGeluCubic) * (x * x * x));
    return x / (T{1} + Exp{}(-v));
  }
};
struct GeluTanhBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const T square = x * x;
    const T s = sigmoid(static_cast<T>(kGeluSlope) * (x + static_cast<T>(kGeluCubic) * (square * x)));
    const T slope = static_cast<T>(kGeluSlope) * (T{1} + static_cast<T>(3 * kGeluCubic) * square);
    return d * (s + x * (s * (T{1} - s)) * slope);
  }
};

/// exp, expm1 and log1p of a T, computed in double.
template <class T>
struct InDouble {
  COPPICE_FUNCTOR static double exp(double x) {
    if constexpr (std::same_as<T, float>) {
      return wide::exp(x);
    } else {
      return std::exp(x);
    }
  }
  COPPICE_FUNCTOR static double expm1(double x) {
    if constexpr (std::same_as<T, float>) {
      return wide::expm1(x);
    } else {
      return std::expm1(x);
    }
  }
  COPPICE_FUNCTOR static double log1p(double x) {
    if constexpr (std::same_as<T, float>) {
      return wide::log1p(x);
    } else {
      return std::log1p(x);
    }
  }
  COPPICE_FUNCTOR static double sigmoid(double x) { return 1.0 / (1.0 + exp(-x)); }
};

struct Sigmoid {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return static_cast<T>(InDouble<T>::sigmoid(x));
  }
};
/// Of the output, as the next.
struct SigmoidBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T y) const {
    return d * (y * (T{1} - y));
  }
};
struct TanhBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T y) const {
    return d * (T{1} - y * y);
  }
};

struct LogSigmoid {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    const double tail = InDouble<T>::log1p(InDouble<T>::exp(-std::fabs(static_cast<double>(x))));
    return static_cast<T>((x > T{0} ? 0.0 : static_cast<double>(x)) - tail);
  }
};
struct LogSigmoidBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    return static_cast<T>(d * InDouble<T>::sigmoid(-static_cast<double>(x)));
  }
};

struct Softplus {
  double threshold;
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    const double value = x;
    return static_cast<T>(value > threshold ? value : InDouble<T>::log1p(InDouble<T>::exp(value)));
  }
};
struct SoftplusBackward {
  double threshold;
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const double value = x;
    return static_cast<T>(d * (value > threshold ? 1.0 : InDouble<T>::sigmoid(value)));
  }
};

struct Relu6 {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return Minimum{}(Maximum{}(x, T{0}), T{6});
  }
};
struct Relu6Backward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    return (x > T{0}) & (x < T{6}) ? d : T{0};
  }
};

struct LeakyRelu {
  double slope;
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return x > T{0} ? x : x * static_cast<T>(slope);
  }
};
struct LeakyReluBackward {
  double slope;
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    return x > T{0} ? d : d * static_cast<T>(slope);
  }
};

struct Elu {
  double alpha;
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    const double value = x;
    return static_cast<T>(value > 0.0 ? value : alpha * InDouble<T>::expm1(value));
  }
};
struct EluBackward {
  double alpha;
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const double value = x;
    return static_cast<T>(d * (value > 0.0 ? 1.0 : alpha * InDouble<T>::exp(value)));
  }
};

/// relu6(x + 3) / 6
COPPICE_FUNCTOR double hard_share(double x) { return Minimum{}(Maximum{}(x + 3.0, 0.0), 6.0) / 6.0; }

struct Hardsigmoid {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return static_cast<T>(hard_share(x));
  }
};
struct HardsigmoidBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    return (x > T{-3}) & (x < T{3}) ? d / T{6} : T{0};
  }
};
struct Hardswish {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return static_cast<T>(x * hard_share(x));
  }
};
struct HardswishBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const T inside = d * (x / T{3} + static_cast<T>(0.5));
    return x < T{-3} ? T{0} : x > T{3} ? d : inside;
  }
};

/// tanh(log(1 + e^x)) = w / (w + 2) with w = e^x (e^x + 2); 1 above 40 and 0 below −200 as far as x · it shows.
struct Mish {
  template <class T>
  COPPICE_FUNCTOR static double share(double x) {
    const double e = InDouble<T>::exp(x > 40.0 ? 40.0 : x);
    const double w = e * (e + 2.0);
    return x < -200.0 ? 0.0 : w / (w + 2.0);
  }
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return static_cast<T>(x * share<T>(x));
  }
};
struct MishBackward {
  template <class T>
  COPPICE_FUNCTOR T operator()(T d, T x) const {
    const double t = Mish::share<T>(x);
    return static_cast<T>(d * (t + x * InDouble<T>::sigmoid(x) * (1.0 - t * t)));
  }
};

}  // namespace coppice::functor

#undef COPPICE_FUNCTOR
