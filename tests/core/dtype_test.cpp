#include <gtest/gtest.h>

#include <cmath>
#include <limits>
#include <sstream>

#include <coppice/core/device.h>
#include <coppice/core/dtype.h>

#include "tests/error_of.h"

namespace coppice {
namespace {

/// Round to nearest even by exact arithmetic: the neighbours on the grid of `digits` binary digits and the least
/// exponent, in double.
double round_to_grid(float value, int digits, int least_exponent, double largest) {
  if (value == 0 || !std::isfinite(value)) return value;
  const int exponent = std::max(std::ilogb(value), least_exponent);
  const double unit = std::ldexp(1.0, exponent - digits + 1);
  const double rounded = std::nearbyint(static_cast<double>(value) / unit) * unit;  // ties to even
  return std::abs(rounded) > largest ? std::copysign(std::numeric_limits<double>::infinity(), value) : rounded;
}

/// Floats around every exponent and every rounding border of both formats.
template <class Visit>
void for_each_sample(Visit&& visit) {
  for (std::uint32_t exponent = 0; exponent < 255; ++exponent) {
    for (std::uint32_t mantissa = 0; mantissa < (1U << 23); mantissa += 0x7FF) {
      for (const std::uint32_t nudge : {0U, 1U}) {
        visit(std::bit_cast<float>((exponent << 23) | ((mantissa + nudge) & 0x7FFFFF)));
      }
    }
    for (std::uint32_t tie = 0; tie < (1U << 23); tie += 0x1000) {
      visit(std::bit_cast<float>((exponent << 23) | tie));
      visit(-std::bit_cast<float>((exponent << 23) | tie));
    }
  }
}

TEST(Half, RoundsToNearestEven) {
  for_each_sample([](float value) {
    ASSERT_EQ(static_cast<double>(static_cast<float>(Half(value))), round_to_grid(value, 11, -14, 65504.0)) << value;
  });
}

TEST(Half, EveryValueSurvivesTheRoundTrip) {
  for (std::uint32_t bits = 0; bits < 0x10000; ++bits) {
    Half half;
    half.bits = static_cast<std::uint16_t>(bits);
    const float value = static_cast<float>(half);
    if (std::isnan(value)) {
      EXPECT_TRUE(std::isnan(static_cast<float>(Half(value))));
    } else {
      ASSERT_EQ(Half(value).bits, bits);
    }
  }
}

TEST(BFloat16, RoundsToNearestEven) {
  const double largest = static_cast<double>(std::bit_cast<float>(0x7F7F0000U));
  for_each_sample([&](float value) {
    ASSERT_EQ(static_cast<double>(static_cast<float>(BFloat16(value))), round_to_grid(value, 8, -126, largest))
        << value;
  });
  EXPECT_TRUE(std::isnan(static_cast<float>(BFloat16(std::bit_cast<float>(0x7F800001U)))));
  EXPECT_TRUE(std::isinf(static_cast<float>(BFloat16(std::numeric_limits<float>::infinity()))));
}

TEST(DType, Facts) {
  EXPECT_EQ(size_of(kFloat64), 8U);
  EXPECT_EQ(size_of(kBFloat16), 2U);
  EXPECT_EQ(size_of(kBool), 1U);
  EXPECT_TRUE(is_floating(kFloat16));
  EXPECT_FALSE(is_floating(kInt64));
  EXPECT_EQ(name_of(kBFloat16), "bfloat16");
  EXPECT_EQ(name_of(kUInt8), "uint8");
}

TEST(DType, PromotesAsTensorsDoInPyTorch) {
  // Rows and columns: f32 f64 i32 i64 u8 bool f16 bf16
  const DType f = kFloat32, d = kFloat64, i = kInt32, l = kInt64, u = kUInt8, b = kBool, h = kFloat16, g = kBFloat16;
  const DType all[] = {f, d, i, l, u, b, h, g};
  const DType expected[8][8] = {
      {f, d, f, f, f, f, f, f}, {d, d, d, d, d, d, d, d}, {f, d, i, l, i, i, h, g}, {f, d, l, l, l, l, h, g},
      {f, d, i, l, u, u, h, g}, {f, d, i, l, u, b, h, g}, {f, d, h, h, h, h, h, f}, {f, d, g, g, g, g, f, g},
  };
  for (int row = 0; row < 8; ++row) {
    for (int column = 0; column < 8; ++column) {
      EXPECT_EQ(promote_types(all[row], all[column]), expected[row][column]) << all[row] << ' ' << all[column];
    }
  }
}

TEST(DType, DispatchNamesTheOpAndTheWayOut) {
  EXPECT_EQ(error_of([] { dispatch_dtype(kFloat16, "exp", []<class T>() {}); }),
            "[exp] has no kernel for float16; cast with to(kFloat32)");
}

TEST(Device, Prints) {
  std::ostringstream out;
  out << kCpu << ' ' << kCuda;
  EXPECT_EQ(out.str(), "cpu cuda:0");
}

}  // namespace
}  // namespace coppice
