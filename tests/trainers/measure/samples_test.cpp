#include <coppice/trainers/measure/samples.h>

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include <coppice/core/generator.h>
#include <coppice/trainers/measure/sampler.h>

#include "tests/error_of.h"

namespace coppice::train::measure {
namespace {

using Values = std::vector<double>;

TEST(Samples, MedianAndDeviation) {
  EXPECT_TRUE(std::isnan(median(Values{})));
  EXPECT_EQ(median(Values{3.0, 1.0, 2.0}), 2.0);
  EXPECT_EQ(median(Values{4.0, 1.0, 2.0, 3.0}), 2.5);
  EXPECT_EQ(median_deviation(Values{1.0, 2.0, 3.0, 100.0, 2.0}), 1.0);
  EXPECT_EQ(median_deviation(Values{1.0, 2.0, 4.0, 100.0, 2.5}), 1.5);
}

TEST(Samples, PairedRatioTakesTheOrderStatisticsOfTheSignTest) {
  // P(fewer than 2 of 9 above the median) = 10 / 512 <= 2.5 %: from the second to the second last.
  const Ratio ratio = paired_ratio(Values{1, 2, 3, 4, 5, 6, 7, 8, 9}, Values(9, 1.0));
  EXPECT_EQ(ratio.value, 5.0);
  EXPECT_EQ(ratio.low, 2.0);
  EXPECT_EQ(ratio.high, 8.0);
  // Six samples just reach 95 % with both ends, five do not.
  EXPECT_EQ(paired_ratio(Values{1, 2, 3, 4, 5, 6}, Values(6, 1.0)).low, 1.0);
  EXPECT_EQ(paired_ratio(Values{1, 2, 3, 4, 5}, Values(5, 1.0)).low, -std::numeric_limits<double>::infinity());
  // What slows both down by the same factor leaves no trace.
  EXPECT_EQ(paired_ratio(Values{2, 20, 200}, Values{1, 10, 100}).value, 2.0);
  EXPECT_NE(error_of([] { paired_ratio(Values{1}, Values{}); }), "");
}

TEST(Samples, IntervalsCoverAsOftenAsTheySay) {
  Generator generator(3);
  int paired = 0, bootstrap = 0;
  constexpr int kTrials = 400;
  for (int trial = 0; trial < kTrials; ++trial) {
    Values base, ours, skewed;
    for (int i = 0; i < 15; ++i) {
      skewed.push_back(std::exp(generator.normal()));  // of median 1
      base.push_back(2.0 * std::exp(0.05 * generator.normal()));
      ours.push_back(std::exp(0.05 * generator.normal()));
    }
    const Ratio sign = paired_ratio(skewed, Values(15, 1.0));
    if (sign.low <= 1.0 && 1.0 <= sign.high) ++paired;
    const Ratio drawn = bootstrap_ratio(base, ours, 0.95, 300);
    if (drawn.low <= 2.0 && 2.0 <= drawn.high) ++bootstrap;
  }
  EXPECT_GE(paired, 0.93 * kTrials);
  EXPECT_LE(paired, 0.995 * kTrials);
  EXPECT_GE(bootstrap, 0.9 * kTrials);
  EXPECT_EQ(bootstrap_ratio(Values{1.0, 2.0}, Values(3, 1.0)).low, -std::numeric_limits<double>::infinity());
}

TEST(Samples, OneThreadKeepsProcessorTimeWhateverTheWallSays) {
  const Kept kept = keep(std::vector<Sample>{{9.0, 1.0}, {1.0, 1.0}, {5.0, 1.02}}, 1);
  EXPECT_EQ(kept.seconds, (Values{1.0, 1.0, 1.02}));
  EXPECT_EQ(kept.rejected, 0);
  EXPECT_EQ(kept.refused, "");
}

TEST(Samples, SeveralThreadsRejectWhatWaitedLonger) {
  // The least disturbed waits 4 % for its helpers: 5.5 % is within two points of it, 7 % is not.
  const std::vector<Sample> samples{{1.0, 0.96}, {1.01, 1.01 * 0.945}, {1.02, 1.02 * 0.93}, {1.0, 0.95}, {2.0, 1.0}};
  const Kept kept = keep(samples, 2);
  EXPECT_EQ(kept.seconds, (Values{1.0, 1.01, 1.0}));
  EXPECT_EQ(kept.rejected, 2);
  EXPECT_EQ(kept.refused, "");
}

TEST(Samples, NoisyMeasurementsAreRefused) {
  EXPECT_EQ(keep(std::vector<Sample>{{1.0, 1.0}, {1.0, 1.0}}, 1).refused, "noisy: 2 of 2 samples undisturbed");
  EXPECT_EQ(keep(std::vector<Sample>{{1.0, 1.0}, {1.5, 0.5}, {1.5, 0.5}, {1.0, 1.0}}, 2).refused,
            "noisy: 2 of 4 samples undisturbed");
  EXPECT_EQ(keep(std::vector<Sample>{{1.0, 1.0}, {1.1, 1.1}, {1.2, 1.2}}, 1).refused,
            "noisy: samples usually lie 9.1 % off their median");
  EXPECT_EQ(keep(std::vector<Sample>{{1.0, 1.0}, {1.04, 1.04}, {1.2, 1.2}}, 1).refused, "");
}

TEST(Samples, RoundsStayPaired) {
  const std::vector<std::vector<Sample>> samples{{{1.0, 1.0}, {9.0, 1.0}, {1.01, 1.01}, {1.02, 1.02}},
                                                 {{2.0, 2.0}, {2.0, 2.0}, {2.01, 2.01}, {2.02, 2.02}}};
  const KeptRounds kept = keep_rounds(samples, 2);
  EXPECT_EQ(kept.seconds, (std::vector<Values>{{1.0, 1.01, 1.02}, {2.0, 2.01, 2.02}}));
  EXPECT_EQ(kept.rejected, 1);
  EXPECT_EQ(kept.refused, "");
  EXPECT_EQ(keep_rounds(samples, 1).seconds[0].size(), 4U);
  EXPECT_EQ(keep_rounds({}, 1).refused, "");
}

TEST(Samples, AreTakenInTurn) {
  std::vector<std::string> order;
  const auto thing = [&](const std::string& name, double seconds) {
    return Timed{name, [&order, name, seconds](int calls) {
                   order.push_back(name + std::to_string(calls));
                   return Sample{seconds, seconds};
                 }};
  };
  const auto samples = sample_in_turn({thing("a", 0.001), thing("b", 0.1)}, {.rounds = 4, .sample_seconds = 0.0105});
  ASSERT_EQ(samples.size(), 2U);
  EXPECT_EQ(samples[0].size(), 4U);
  ASSERT_EQ(order.size(), 12U);  // a warm-up and a first look each, then four rounds
  for (std::size_t round = 4; round < order.size(); round += 2) {
    EXPECT_TRUE((order[round] == "a10" && order[round + 1] == "b1") ||
                (order[round] == "b1" && order[round + 1] == "a10"));
  }
}

}  // namespace
}  // namespace coppice::train::measure
