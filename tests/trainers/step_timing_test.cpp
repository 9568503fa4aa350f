#include <coppice/trainers/step_timing.h>

#include <gtest/gtest.h>

#include <algorithm>

#include "tests/error_of.h"

namespace coppice::train {
namespace {

TEST(StepTiming, CountsWeightsTimeAndMemory) {
  StepTimingOptions options{.network = "mnist_mlp", .batch_size = 8, .steps = 3, .warmup = 1};
  const StepTiming dense = time_steps(options);
  EXPECT_EQ(dense.weights, 266610);
  EXPECT_EQ(dense.alive, dense.weights);
  // Weights, gradients and momentum, each of 4 bytes.
  EXPECT_GE(dense.peak_bytes, 3 * 4 * dense.weights);
  options.sparsity = 0.9;
  const StepTiming sparse = time_steps(options);
  EXPECT_EQ(sparse.weights, dense.weights);
  EXPECT_NEAR(static_cast<double>(sparse.alive), 26620 + 410, 3);
  EXPECT_LT(sparse.peak_bytes, dense.peak_bytes / 2);
  for (const StepTiming& timing : {dense, sparse}) {
    for (const measure::Sample& part : {timing.forward, timing.backward, timing.update}) {
      EXPECT_GT(part.wall, 0.0);
      EXPECT_GT(part.cpu, 0.0);
      EXPECT_LE(part.wall, timing.step.wall);
    }
  }
}

TEST(StepTiming, WritesATableUnderItsConditions) {
  StepTiming timing{.options = {.network = "resnet20", .sparsity = 0.9}, .weights = 100, .alive = 10};
  timing.step = {.wall = 0.5, .cpu = 0.25};
  timing.peak_bytes = 4096;
  const std::string csv = to_csv({timing, timing}, {{"threads", "1"}});
  EXPECT_TRUE(csv.starts_with("# threads: 1\nnetwork,masks,sparsity,")) << csv;
  EXPECT_NE(csv.find("\nresnet20,erk,0.9,128,7,100,10,0,0,0,0,0,0,0.5,0.25,4096\n"), std::string::npos) << csv;
  const auto line = [&](std::size_t from) { return csv.substr(from, csv.find('\n', from) - from); };
  const std::string header = line(csv.find("network,"));
  const std::string row = line(csv.find("resnet20,"));
  EXPECT_EQ(std::ranges::count(header, ','), std::ranges::count(row, ','));
}

TEST(StepTiming, RefusesWhatItCannotTime) {
  EXPECT_NE(error_of([] { time_steps({.network = "resnet21"}); }).find("resnet20"), std::string::npos);
  EXPECT_NE(error_of([] { time_steps({.sparsity = 1.0}); }).find("[step_timing]"), std::string::npos);
}

}  // namespace
}  // namespace coppice::train
