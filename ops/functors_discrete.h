#pragma once

#include <cmath>
#include <cstdint>
#include <type_traits>

// Rounding, remainders, and the logic of truth values and bits, as functors (see ops/functors.h).

#define COPPICE_FUNCTOR [[gnu::always_inline]] inline

namespace coppice::functor {

struct Floor {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::floor(x);
    } else {
      return x;
    }
  }
};
struct Ceil {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::ceil(x);
    } else {
      return x;
    }
  }
};
/// Half to even.
struct Round {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::rint(x);
    } else {
      return x;
    }
  }
};
struct Trunc {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::trunc(x);
    } else {
      return x;
    }
  }
};

/// The remainder of the quotient rounded towards 0. Integers are not divided by 0.
struct Fmod {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    if constexpr (std::is_floating_point_v<T>) {
      return std::fmod(a, b);
    } else {
      return b == static_cast<T>(-1) && std::is_signed_v<T> ? T{0} : static_cast<T>(a % b);
    }
  }
};
/// The remainder of the quotient rounded down: it has the sign of b.
struct Remainder {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    const T rest = Fmod{}(a, b);
    return rest != T{0} && (rest < T{0}) != (b < T{0}) ? static_cast<T>(rest + b) : rest;
  }
};

struct BitwiseAnd {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return static_cast<T>(a & b);
  }
};
struct LogicalAnd {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return (a != T{0}) & (b != T{0});
  }
};
struct BitwiseOr {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return static_cast<T>(a | b);
  }
};
struct LogicalOr {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return (a != T{0}) | (b != T{0});
  }
};
struct BitwiseXor {
  template <class T>
  COPPICE_FUNCTOR T operator()(T a, T b) const {
    return static_cast<T>(a ^ b);
  }
};
struct LogicalXor {
  template <class T>
  COPPICE_FUNCTOR bool operator()(T a, T b) const {
    return (a != T{0}) ^ (b != T{0});
  }
};
struct BitwiseNot {
  template <class T>
  COPPICE_FUNCTOR T operator()(T x) const {
    return static_cast<T>(~x);
  }
};
/// Of a byte that is 0 or 1.
struct FlipBool {
  COPPICE_FUNCTOR std::uint8_t operator()(std::uint8_t x) const { return static_cast<std::uint8_t>(x ^ 1U); }
};

}  // namespace coppice::functor

#undef COPPICE_FUNCTOR
