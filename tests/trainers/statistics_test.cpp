#include <coppice/trainers/statistics.h>

#include <gtest/gtest.h>

#include <array>
#include <cmath>

#include <coppice/core/error.h>

namespace coppice::train {
namespace {

TEST(StudentT, MatchesTheTables) {
  struct Row {
    int degrees;
    double at_95, at_99;
  };
  for (const Row& row : {Row{1, 12.7062, 63.6567}, Row{2, 4.30265, 9.92484}, Row{3, 3.18245, 5.84091},
                         Row{4, 2.77645, 4.60409}, Row{9, 2.26216, 3.24984}, Row{30, 2.04227, 2.75000}}) {
    EXPECT_NEAR(student_t_quantile(0.95, row.degrees), row.at_95, 1e-4 * row.at_95) << row.degrees;
    EXPECT_NEAR(student_t_quantile(0.99, row.degrees), row.at_99, 1e-4 * row.at_99) << row.degrees;
  }
  EXPECT_NEAR(student_t_quantile(0.95, 1000), 1.96234, 1e-4);
  EXPECT_THROW(student_t_quantile(0.95, 0), Error);
}

TEST(TInterval, OfFiveDifferences) {
  const std::array<double, 5> differences = {1.2, 0.8, 1.9, 1.1, 1.5};
  EXPECT_NEAR(mean(differences), 1.3, 1e-12);
  EXPECT_NEAR(standard_deviation(differences), 0.418330013, 1e-8);
  const Interval interval = t_interval(differences);
  EXPECT_NEAR(interval.mean, 1.3, 1e-12);
  EXPECT_NEAR(interval.low, 1.3 - 0.519426, 1e-5);
  EXPECT_NEAR(interval.high, 1.3 + 0.519426, 1e-5);
}

TEST(TInterval, OfOneValueIsUnbounded) {
  const std::array<double, 1> one = {0.5};
  EXPECT_EQ(standard_deviation(one), 0.0);
  EXPECT_EQ(t_interval(one).mean, 0.5);
  EXPECT_TRUE(std::isinf(t_interval(one).high));
}

}  // namespace
}  // namespace coppice::train
