#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/node.h>

#include "tests/autograd/test_ops.h"

namespace coppice {
namespace {

using namespace test_ops;

constexpr int kLength = 200'000;

/// A chain of `length` operations that counts how often each runs backward.
Tensor chain(Tensor x, int length, std::int64_t& runs) {
  for (int i = 0; i < length; ++i) {
    x = record("link", x.detach(), {x}, {x}, [&runs](const Saved& saved, const Tensor& d) {
      ++runs;
      EXPECT_TRUE(saved[0].defined());
      return d;
    });
  }
  return x;
}

TEST(LongChain, RunsBackwardAndIsFreedWithoutRecursion) {
  const std::int64_t nodes = detail::live_nodes();
  const Tensor x = leaf({1});
  std::int64_t runs = 0;
  Tensor y = chain(x, kLength, runs);
  EXPECT_EQ(detail::live_nodes() - nodes, kLength);
  y.backward();
  EXPECT_EQ(runs, kLength);
  EXPECT_EQ(x.grad().item<double>(), 1);
  y = Tensor();
  EXPECT_EQ(detail::live_nodes(), nodes);
}

TEST(LongChain, IsFreedUnused) {
  const std::int64_t nodes = detail::live_nodes();
  std::int64_t runs = 0;
  { const Tensor y = chain(leaf({1}), kLength, runs); }
  EXPECT_EQ(detail::live_nodes(), nodes);
  EXPECT_EQ(runs, 0);
}

TEST(LongChain, IsFreedWhereTheLastHolderIsASavedTensor) {
  const std::int64_t nodes = detail::live_nodes();
  std::int64_t runs = 0;
  Tensor y;
  {
    const Tensor deep = chain(leaf({1}), kLength, runs);
    y = times(leaf({2}), deep);
  }
  y.backward();  // releases `deep`, which holds the chain's last link only through y's node
  y = Tensor();
  EXPECT_EQ(detail::live_nodes(), nodes);
}

TEST(LongChain, GradSelectsInLinearWork) {
  const Tensor x = leaf({1});
  std::int64_t runs = 0;
  const Tensor y = chain(x, kLength, runs);
  EXPECT_EQ(grad({y}, {x})[0].item<double>(), 1);
  EXPECT_EQ(runs, kLength);
}

TEST(LongChain, RecordedBackwardIsFreedWithoutRecursion) {
  const std::int64_t nodes = detail::live_nodes();
  {
    const Tensor x = leaf({1});
    const Tensor one = leaf({1});
    Tensor y = x;
    for (int i = 0; i < kLength / 4; ++i) y = times(y, one);
    const Tensor first = grad({y}, {x}, {}, {.create_graph = true})[0];
    EXPECT_EQ(grad({first}, {one})[0].item<double>(), kLength / 4);
  }
  EXPECT_EQ(detail::live_nodes(), nodes);
}

TEST(LongChain, AWideSumKeepsOneGradientPerSource) {
  // 1000 consumers of one tensor: what waits is one sum, not a thousand gradients.
  const Tensor x = leaf({1});
  const Tensor shared = times(x, x);
  Tensor sum = shared;
  for (int i = 0; i < 1000; ++i) sum = plus(sum, times(shared, Tensor::of({1.0})));
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  {
    const AllocatorScope scope(allocator);
    sum.backward();
  }
  EXPECT_EQ(x.grad().item<double>(), 2 * 1001);
  EXPECT_LE(allocator->stats().peak, 16 * 64);
}

}  // namespace
}  // namespace coppice
