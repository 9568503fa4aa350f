#include <coppice/core/flops.h>

#include <gtest/gtest.h>

#include <thread>

namespace coppice {
namespace {

TEST(FlopScope, NestsAndStaysOnItsThread) {
  count_flops(FlopPhase::Forward, 1.0, 1.0);  // outside any scope: nothing to count into
  FlopScope outer;
  count_flops(FlopPhase::Forward, 10.0, 5.0);
  {
    FlopScope inner;
    count_flops(FlopPhase::WeightGradient, 4.0, 2.0);
    EXPECT_EQ(inner.count().total_dense(), 4.0);
  }
  std::thread([] { count_flops(FlopPhase::DataGradient, 100.0, 100.0); }).join();
  EXPECT_EQ(outer.count().total_dense(), 14.0);
  EXPECT_EQ(outer.count().total_effective(), 7.0);
  EXPECT_EQ(outer.count().effective[static_cast<std::size_t>(FlopPhase::WeightGradient)], 2.0);
  outer.reset();
  EXPECT_EQ(outer.count().total_dense(), 0.0);
}

}  // namespace
}  // namespace coppice
