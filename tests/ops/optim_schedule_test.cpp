#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include <coppice/core/error.h>
#include <coppice/ops/optim/schedule.h>

namespace coppice::optim::schedule {
namespace {

void expect_factors(const Schedule& schedule, const std::vector<std::pair<std::int64_t, double>>& golden) {
  for (const auto& [step, factor] : golden) EXPECT_NEAR(schedule(step), factor, 1e-15) << step;
}

TEST(Schedule, Cosine) {
  expect_factors(cosine(4),
                 {{0, 1}, {1, (1 + std::sqrt(0.5)) / 2}, {2, 0.5}, {3, (1 - std::sqrt(0.5)) / 2}, {4, 0}, {100, 0}});
  expect_factors(cosine(6, 0.1), {{0, 1}, {2, 0.775}, {3, 0.55}, {6, 0.1}, {7, 0.1}});
}

TEST(Schedule, Steps) {
  expect_factors(step(10), {{0, 1}, {9, 1}, {10, 0.1}, {19, 0.1}, {20, 0.01}});
  expect_factors(multi_step({30, 70, 90}, 0.2), {{0, 1}, {29, 1}, {30, 0.2}, {69, 0.2}, {70, 0.04}, {90, 0.008}});
  expect_factors(multi_step({}), {{0, 1}, {1000, 1}});
}

TEST(Schedule, Linear) {
  expect_factors(linear(), {{0, 1.0 / 3}, {1, 7.0 / 15}, {5, 1}, {6, 1}});
  expect_factors(linear(1, 0, 4), {{0, 1}, {1, 0.75}, {4, 0}, {9, 0}});
}

TEST(Schedule, ExponentialAndPolynomial) {
  expect_factors(exponential(0.5), {{0, 1}, {1, 0.5}, {3, 0.125}});
  expect_factors(polynomial(4, 2.0), {{0, 1}, {1, 0.5625}, {2, 0.25}, {4, 0}, {9, 0}});
}

TEST(Schedule, OneCycleFollowsPyTorch) {
  const OneCycleOptions options{.pct_start = 0.4, .div_factor = 20, .final_div_factor = 50};
  expect_factors(one_cycle(11, options), {{0, 0.05},
                                          {1, 0.2387485477198532},
                                          {3, 0.9679243089670689},
                                          {4, 0.9797667403204415},
                                          {9, 0.05652669339686578},
                                          {10, 0.001},
                                          {99, 0.001}});
  OneCycleOptions lines = options;
  lines.linear = true;
  expect_factors(one_cycle(11, lines),
                 {{0, 0.05}, {1, 0.3294117647058823}, {4, 0.9091818181818182}, {9, 0.15236363636363637}, {10, 0.001}});
}

TEST(Schedule, Compositions) {
  expect_factors(warmup(4, cosine(4)), {{0, 0}, {1, 0.25}, {3, 0.75}, {4, 1}, {6, 0.5}, {8, 0}});
  expect_factors(warmup(0, cosine(4)), {{0, 1}, {2, 0.5}});
  expect_factors(sequential({constant(0.1), linear(0, 1, 2), constant()}, {2, 3}),
                 {{0, 0.1}, {1, 0.1}, {2, 0}, {3, 1}, {9, 1}});
  expect_factors(chained({linear(0, 1, 2), step(1, 0.5), constant(4)}), {{0, 0}, {1, 1}, {2, 1}, {3, 0.5}});
}

TEST(Schedule, InvalidInputThrows) {
  EXPECT_THROW(cosine(0), Error);
  EXPECT_THROW(step(0), Error);
  EXPECT_THROW(linear(0, 1, 0), Error);
  EXPECT_THROW(multi_step({3, 3}), Error);
  EXPECT_THROW(sequential({constant()}, {3}), Error);
}

}  // namespace
}  // namespace coppice::optim::schedule
