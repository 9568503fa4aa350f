#pragma once

#include <concepts>
#include <cstdint>
#include <type_traits>

namespace coppice {

/// A C++ number as an operand of an elementwise op. Its kind (integral or floating) takes part in type promotion, its
/// width does not.
class Scalar {
 public:
  template <class T>
  requires std::is_arithmetic_v<T> Scalar(T value)
      : floating_(static_cast<double>(value)), is_integral_(std::is_integral_v<T>) {
    if constexpr (std::is_integral_v<T>) integral_ = static_cast<std::int64_t>(value);
  }

  bool is_integral() const { return is_integral_; }
  /// The value as an element of type T.
  template <class T>
  T as() const {
    if constexpr (std::is_integral_v<T>) {
      if (is_integral_) return static_cast<T>(integral_);
    }
    return static_cast<T>(floating_);
  }

 private:
  double floating_;
  std::int64_t integral_ = 0;
  bool is_integral_;
};

}  // namespace coppice
