#include <coppice/trainers/measure/latency_table.h>

#include <gtest/gtest.h>

#include <coppice/core/parallel.h>
#include <coppice/trainers/measure/latency.h>

#include "tests/error_of.h"

namespace coppice::train::measure {
namespace {

constexpr const char* kGolden =
    "# device: another\n"
    "# isa: AVX3\n"
    "layer,c_in,c_out,seconds,deviation,samples,kernel\n"
    "conv,8,8,1e-05,1e-07,6,direct\n"
    "conv,8,16,3e-05,0,6,direct\n"
    "conv,16,8,2e-05,0,6,direct\n"
    "conv,16,16,2.5e-05,0,6,\"winograd, f4\"\n"
    "\"a,b\",8,8,1,0,3,x\n";

TEST(LatencyTable, ReadsAndWritesTheFile) {
  const LatencyTable table = LatencyTable::parse(kGolden, "golden.csv");
  EXPECT_EQ(table.to_csv(), kGolden);
  EXPECT_EQ(condition(table.conditions(), "device"), "another");
  EXPECT_EQ(table.layers(), (std::vector<std::string>{"a,b", "conv"}));
  EXPECT_EQ(table.points()[3].kernel, "winograd, f4");
}

TEST(LatencyTable, TakesTheLowerMonotoneEnvelope) {
  const LatencyTable table = LatencyTable::parse(kGolden, "golden.csv");
  EXPECT_EQ(table.seconds("conv", 8, 8), 1e-5);
  EXPECT_EQ(table.seconds("conv", 8, 16), 2.5e-5);  // padded up to 16 x 16, which is faster
  EXPECT_EQ(table.seconds("conv", 16, 8), 2e-5);
  EXPECT_EQ(table.seconds("conv", 16, 16), 2.5e-5);
}

TEST(LatencyTable, ThrowsOnWhatIsMissing) {
  const LatencyTable table = LatencyTable::parse(kGolden, "golden.csv");
  EXPECT_EQ(error_of([&] { table.seconds("fc", 8, 8); }),
            "[latency] the table has no layer 'fc'; measure it with coppice latency");
  EXPECT_EQ(error_of([&] { table.seconds("conv", 12, 8); }),
            "[latency] the table has no point 12 x 8 of 'conv'; measure it with coppice latency");
}

TEST(LatencyTable, SaysWhatIsWrong) {
  const auto error = [](const std::string& rows) {
    return error_of(
        [&] { LatencyTable::parse("layer,c_in,c_out,seconds,deviation,samples,kernel\n" + rows, "t.csv"); });
  };
  EXPECT_EQ(error("conv,8,8,x,0,6,k\n"), "[latency] t.csv: row 1 expects a number of 0 or more; got 'x'");
  EXPECT_EQ(error("conv,-8,8,1,0,6,k\n"), "[latency] t.csv: row 1 expects a number of 0 or more; got '-8'");
  EXPECT_EQ(error("conv,8,8,1\n"), "[latency] t.csv: row 1 expects 7 cells; got 4");
  EXPECT_EQ(error("conv,8,8,0,0,6,k\n"), "[latency] conv 8 x 8 expects seconds above 0; got 0");
  EXPECT_EQ(error("conv,8,8,1,0,6,k\nconv,8,8,2,0,6,k\n"), "[latency] conv 8 x 8 expects one row; got two");
  EXPECT_NE(error_of([] { LatencyTable::parse("a,b\n", "t.csv"); }).find("expects the columns"), std::string::npos);
}

TEST(Latency, MeasuresEveryPointOfTheGrid) {
  EXPECT_EQ(latency_channels(100), (std::vector<std::int64_t>{8, 16, 24, 32, 40, 48, 56, 64, 96}));
  const ThreadLimit one(1);
  const LatencyTable table =
      measure_latency({.layers = {parse_layer("a:3:2:6")}, .largest = 16, .rounds = 1, .sample_seconds = 1e-5}, "test");
  ASSERT_EQ(table.points().size(), 4U);
  for (const LatencyPoint& p : table.points()) {
    EXPECT_GT(p.seconds, 0.0);
    EXPECT_EQ(p.samples, 2);
    EXPECT_FALSE(p.kernel.empty());
  }
  EXPECT_EQ(condition(table.conditions(), "layer.a"), "convolution 3, stride 2, input 6, f32, forward");
  for (const char* wrong : {"a", "a:3:1", "a:3:1:0", "a:3:1:7:2", ":3:1:7", "a:3:1:7x"}) {
    EXPECT_NE(error_of([&] { parse_layer(wrong); }), "") << wrong;
  }
}

}  // namespace
}  // namespace coppice::train::measure
