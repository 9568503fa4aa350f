#include <coppice/trainers/report/scale.h>

#include <gtest/gtest.h>

#include <coppice/trainers/report/format.h>
#include <coppice/trainers/report/style.h>

namespace coppice::train::report {
namespace {

TEST(RoundValues, AreRoundAndInRange) {
  EXPECT_EQ(round_values(0.0, 1.0, 6, false), (std::vector<double>{0.0, 0.2, 0.4, 0.6000000000000001, 0.8, 1.0}));
  EXPECT_EQ(round_values(-4.0, 11.0, 5, false), (std::vector<double>{0.0, 5.0, 10.0}));
  EXPECT_EQ(round_values(100.0, 4000.0, 6, true), (std::vector<double>{100, 200, 500, 1000, 2000}));
  EXPECT_EQ(round_values(1.0, 1e9, 5, true), (std::vector<double>{1, 100, 1e4, 1e6, 1e8}));
  EXPECT_EQ(round_values(4.1, 4.4, 5, true).size(), 4U);  // 4.1, 4.2, 4.3, 4.4: no round mantissa lies there
  EXPECT_TRUE(round_values(2.0, 2.0, 5, false).empty());
  for (const bool logarithmic : {false, true}) {
    for (int most = 2; most < 9; ++most) {
      const std::vector<double> values = round_values(0.0123, 45.6, most, logarithmic);
      EXPECT_GE(values.size(), 1U);
      EXPECT_LE(values.size(), static_cast<std::size_t>(most));
      for (const double value : values) EXPECT_TRUE(value >= 0.0 && value <= 45.6) << value;
    }
  }
}

TEST(Scale, PlacesItsEnds) {
  for (const Stretch stretch : {Stretch::Linear, Stretch::Log, Stretch::Error}) {
    const Scale scale(stretch, 0.2, 0.9, 210.0, 24.0);
    EXPECT_DOUBLE_EQ(scale(0.2), 210.0);
    EXPECT_DOUBLE_EQ(scale(0.9), 24.0);
    EXPECT_LT(scale(0.5), 210.0);
    for (const double tick : scale.ticks(5)) EXPECT_TRUE(scale(tick) <= 210.01 && scale(tick) >= 23.99) << tick;
  }
  // Halving the error is as far from 80 to 90 % as from 98 to 99 %.
  const Scale error(Stretch::Error, 0.5, 0.995, 0.0, 1.0);
  EXPECT_NEAR(error(0.9) - error(0.8), error(0.99) - error(0.98), 1e-9);
}

TEST(Format, WritesNumbersForReaders) {
  EXPECT_EQ(grouped(1234567), "1,234,567");
  EXPECT_EQ(grouped(-123), "-123");
  EXPECT_EQ(number(0.31500), "0.315");
  EXPECT_EQ(number(4111.4), "4,111");
  EXPECT_EQ(points(-0.0123),
            "\xE2\x88\x92"
            "1.23");
  EXPECT_EQ(points(-1e-9), "0.00");
  EXPECT_EQ(counted(1, "seed"), "1 seed");
  EXPECT_EQ(counted(2, "seed"), "2 seeds");
  EXPECT_EQ(mebibytes(3 << 19), "1.50");
}

TEST(Styles, GiveFamiliesOneColour) {
  const Styles styles({"dense", "rigl", "rigl_equal_flops", "rigl_equal_seconds", "iee"});
  EXPECT_EQ(styles("rigl_equal_flops").colour, styles("rigl").colour);
  EXPECT_NE(styles("rigl_equal_flops").dash, styles("rigl").dash);
  EXPECT_NE(styles("rigl_equal_flops").dash, styles("rigl_equal_seconds").dash);
  EXPECT_NE(styles("iee").colour, styles("rigl").colour);
  EXPECT_EQ(styles("dense").colour, 0);
  // More names than colours still differ in something.
  std::vector<std::string> many;
  for (char c = 'a'; c < 'a' + 20; ++c) many.emplace_back(1, c);
  const Styles crowded(many);
  EXPECT_EQ(crowded("a").colour, crowded("h").colour);
  EXPECT_NE(crowded("a").dash, crowded("h").dash);
}

}  // namespace
}  // namespace coppice::train::report
