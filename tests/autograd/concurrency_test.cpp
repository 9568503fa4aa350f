#include <thread>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>

#include "tests/autograd/test_ops.h"

namespace coppice {
namespace {

using namespace test_ops;

TEST(Concurrency, IndependentBackwardsRunAtOnce) {
  constexpr int kThreads = 4;
  std::vector<std::vector<double>> found(kThreads);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([t, &found] {
      for (int repeat = 0; repeat < 50; ++repeat) {
        const Tensor x = leaf({1.0 + t});
        Tensor y = x;
        for (int i = 0; i < 20; ++i) y = plus(times(y, leaf({1})), x);
        y.backward();
        found[static_cast<std::size_t>(t)].push_back(x.grad().item<double>());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  for (const std::vector<double>& gradients : found) EXPECT_EQ(gradients, std::vector<double>(50, 21.0));
}

TEST(Concurrency, ThreadsMayShareALeafAndARetainedGraph) {
  constexpr int kThreads = 4;
  constexpr int kRepeats = 100;
  const Tensor x = leaf({3});
  const Tensor shared = times(x, x);
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&] {
      for (int repeat = 0; repeat < kRepeats; ++repeat) {
        backward({times(shared, leaf({1}))}, {}, {.retain_graph = true});
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(x.grad().item<double>(), 6 * kThreads * kRepeats);
}

TEST(Concurrency, GradModeBelongsToAThread) {
  const NoGrad no_grad;
  bool enabled = false;
  std::thread([&] { enabled = grad_enabled(); }).join();
  EXPECT_TRUE(enabled);
}

TEST(Concurrency, AGraphMayBeFreedByAnotherThread) {
  Tensor y = leaf({1});
  for (int i = 0; i < 50'000; ++i) y = plus(y, y);
  std::thread([held = std::move(y)]() mutable { held = Tensor(); }).join();
}

}  // namespace
}  // namespace coppice
