#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <iosfwd>
#include <string_view>

#include <coppice/core/error.h>
#include <coppice/core/export.h>

namespace coppice {

/// Element types. f32, f64, i32, i64, u8 and bool have kernels; f16 and bf16 are storage with casts.
enum class DType : std::uint8_t { Float32, Float64, Int32, Int64, UInt8, Bool, Float16, BFloat16 };

inline constexpr DType kFloat32 = DType::Float32;
inline constexpr DType kFloat64 = DType::Float64;
inline constexpr DType kInt32 = DType::Int32;
inline constexpr DType kInt64 = DType::Int64;
inline constexpr DType kUInt8 = DType::UInt8;
inline constexpr DType kBool = DType::Bool;
inline constexpr DType kFloat16 = DType::Float16;
inline constexpr DType kBFloat16 = DType::BFloat16;

/// IEEE binary16 as storage. Conversions round to nearest even.
struct COPPICE_API Half {
  std::uint16_t bits = 0;
  Half() = default;
  explicit Half(float value);
  explicit operator float() const;
};

/// The upper half of an IEEE binary32 as storage. Conversions round to nearest even.
struct COPPICE_API BFloat16 {
  std::uint16_t bits = 0;
  BFloat16() = default;
  explicit BFloat16(float value);
  explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }
};

/// Bytes of one element.
COPPICE_API std::size_t size_of(DType dtype);
COPPICE_API bool is_floating(DType dtype);
/// `float32`, `int64`, `bfloat16` …
COPPICE_API std::string_view name_of(DType dtype);
COPPICE_API std::ostream& operator<<(std::ostream& out, DType dtype);

/// The dtype two operands are computed in: floating beats integral beats bool; within a kind the wider wins;
/// f16 with bf16 gives f32 (PyTorch's table for tensors; Python scalars never widen, see ops/elementwise.h).
COPPICE_API DType promote_types(DType a, DType b);

/// The DType that holds a C++ type.
template <class T>
constexpr DType dtype_of();
template <>
constexpr DType dtype_of<float>() {
  return kFloat32;
}
template <>
constexpr DType dtype_of<double>() {
  return kFloat64;
}
template <>
constexpr DType dtype_of<std::int32_t>() {
  return kInt32;
}
template <>
constexpr DType dtype_of<std::int64_t>() {
  return kInt64;
}
template <>
constexpr DType dtype_of<std::uint8_t>() {
  return kUInt8;
}
template <>
constexpr DType dtype_of<bool>() {
  return kBool;
}
template <>
constexpr DType dtype_of<Half>() {
  return kFloat16;
}
template <>
constexpr DType dtype_of<BFloat16>() {
  return kBFloat16;
}

/// Calls `function.template operator()<T>()` with the C++ type of a dtype that has kernels.
template <class F>
decltype(auto) dispatch_dtype(DType dtype, const char* op, F&& function) {
  switch (dtype) {
    case kFloat32: return function.template operator()<float>();
    case kFloat64: return function.template operator()<double>();
    case kInt32: return function.template operator()<std::int32_t>();
    case kInt64: return function.template operator()<std::int64_t>();
    case kUInt8: return function.template operator()<std::uint8_t>();
    case kBool: return function.template operator()<bool>();
    default: detail::fail("[", op, "] has no kernel for ", name_of(dtype), "; cast with to(kFloat32)");
  }
}

/// As dispatch_dtype, for f32 and f64 only.
template <class F>
decltype(auto) dispatch_floating(DType dtype, const char* op, F&& function) {
  switch (dtype) {
    case kFloat32: return function.template operator()<float>();
    case kFloat64: return function.template operator()<double>();
    default: detail::fail("[", op, "] expects float32 or float64; got ", name_of(dtype), "; cast with to(kFloat32)");
  }
}

}  // namespace coppice
