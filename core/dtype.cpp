#include <coppice/core/dtype.h>

#include <ostream>

namespace coppice {

namespace {

struct DTypeInfo {
  std::string_view name;
  std::size_t size;
  bool floating;
};

const DTypeInfo& info(DType dtype) {
  static constexpr DTypeInfo kTable[] = {
      {"float32", 4, true}, {"float64", 8, true}, {"int32", 4, false},  {"int64", 8, false},
      {"uint8", 1, false},  {"bool", 1, false},   {"float16", 2, true}, {"bfloat16", 2, true},
  };
  return kTable[static_cast<std::size_t>(dtype)];
}

std::uint16_t float_to_half_bits(float value) {
  const std::uint32_t bits = std::bit_cast<std::uint32_t>(value);
  const std::uint32_t sign = (bits >> 16) & 0x8000U;
  const std::uint32_t magnitude = bits & 0x7FFFFFFFU;
  std::uint32_t half;
  if (magnitude > 0x7F800000U) {
    half = 0x7E00U | ((magnitude >> 13) & 0x3FFU);  // NaN, quiet, with what fits of the payload
  } else if (magnitude >= 0x477FF000U) {
    half = 0x7C00U;  // rounds past the largest half, 65504
  } else if (magnitude >= 0x38800000U) {
    // Normal: re-bias the exponent, then round the 13 dropped bits to nearest even; a carry moves into the exponent.
    const std::uint32_t rebiased = magnitude - 0x38000000U;
    half = (rebiased + 0xFFFU + ((rebiased >> 13) & 1U)) >> 13;
  } else {
    // Subnormal: adding 0.5 lines the half's last bit up with the float's, so the FPU does the rounding.
    half = std::bit_cast<std::uint32_t>(std::bit_cast<float>(magnitude) + 0.5F) - 0x3F000000U;
  }
  return static_cast<std::uint16_t>(sign | half);
}

float half_bits_to_float(std::uint16_t bits) {
  const std::uint32_t sign = (bits & 0x8000U) * 0x10000U;
  const std::uint32_t exponent = (bits >> 10) & 0x1FU;
  const std::uint32_t mantissa = bits & 0x3FFU;
  if (exponent == 0x1FU) return std::bit_cast<float>(sign | 0x7F800000U | (mantissa << 13));
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return std::bit_cast<float>(sign | std::bit_cast<std::uint32_t>(magnitude));
  }
  return std::bit_cast<float>(sign | ((exponent + 112U) << 23) | (mantissa << 13));
}

}  // namespace

Half::Half(float value) : bits(float_to_half_bits(value)) {}
Half::operator float() const { return half_bits_to_float(bits); }

BFloat16::BFloat16(float value) {
  const std::uint32_t word = std::bit_cast<std::uint32_t>(value);
  const bool is_nan = (word & 0x7FFFFFFFU) > 0x7F800000U;
  const std::uint32_t rounded = is_nan ? (word | 0x00400000U) : word + 0x7FFFU + ((word >> 16) & 1U);
  bits = static_cast<std::uint16_t>(rounded >> 16);
}

std::size_t size_of(DType dtype) { return info(dtype).size; }
bool is_floating(DType dtype) { return info(dtype).floating; }
std::string_view name_of(DType dtype) { return info(dtype).name; }
std::ostream& operator<<(std::ostream& out, DType dtype) { return out << name_of(dtype); }

DType promote_types(DType a, DType b) {
  if (a == b) return a;
  if (is_floating(a) != is_floating(b)) return is_floating(a) ? a : b;
  if (is_floating(a)) {
    if (a == kFloat64 || b == kFloat64) return kFloat64;
    return kFloat32;  // f32 with a half format, or the two half formats together
  }
  if (a == kBool) return b;
  if (b == kBool) return a;
  return size_of(a) > size_of(b) ? a : b;
}

}  // namespace coppice
