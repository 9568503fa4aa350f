#include <coppice/models/nn/inference_session.h>

#include <algorithm>
#include <string>
#include <thread>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/resnet.h>

#include "tests/error_of.h"
#include "tests/fuzz/heap_count.h"
#include "tests/models/trained_statistics.h"

namespace coppice::nn {
namespace {

std::shared_ptr<Module> network(double sparsity) {
  const auto model = models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .width = 16, .seed = 1});
  testing::draw_norms(*model, 3);
  if (sparsity > 0.0) testing::mask_randomly(*model, sparsity, 4);
  model->eval();
  fold_batch_norm(*model, {1, 3, 16, 16});
  return model;
}

Tensor plain(Module& model, const Tensor& images) {
  const NoGrad no_grad;
  return model(images);
}

TEST(InferenceSession, GivesWhatTheNetworkGives) {
  for (const double sparsity : {0.0, 0.9}) {
    for (const std::int64_t batch : {1, 3, 16}) {
      const auto model = network(sparsity);
      Generator generator(5);
      InferenceSession session(model, {batch, 3, 16, 16});
      for (int run = 0; run < 3; ++run) {
        const Tensor images = Tensor::randn({batch, 3, 16, 16}, generator);
        const Tensor output = session(images);
        EXPECT_TRUE(bit_equal(output, plain(*model, images))) << sparsity << ' ' << batch << ' ' << run;
        EXPECT_FALSE(output.requires_grad());
      }
    }
  }
}

TEST(InferenceSession, AsksNoAllocatorButForItsResult) {
  const ThreadLimit one(1);
  for (const double sparsity : {0.0, 0.9}) {
    for (const std::int64_t batch : {1, 16}) {
      const IntrusivePtr<Allocator> allocator = make_caching_allocator();
      const AllocatorScope scope(allocator);
      InferenceSession session(network(sparsity), {batch, 3, 16, 16});
      Generator generator(5);
      const Tensor images = Tensor::randn({batch, 3, 16, 16}, generator);
      session(images);
      const AllocatorStats before = allocator->stats();
      const std::int64_t heap = fuzz::heap_bytes();
      fuzz::reset_heap_peak();
      for (int run = 0; run < 5; ++run) session(images);
      EXPECT_EQ(fuzz::heap_peak(), heap) << "not a byte from malloc";
      const AllocatorStats after = allocator->stats();
      EXPECT_EQ(after.allocations - before.allocations, 5);
      EXPECT_EQ(after.system_allocations, before.system_allocations);
      const InferenceSession::Memory memory = session.memory();
      EXPECT_EQ(memory.unplanned, 0);
      EXPECT_GT(memory.planned, 20);
      EXPECT_LT(memory.arena_bytes, memory.tensor_bytes / 2);
    }
  }
}

TEST(InferenceSession, KeepsResultsApart) {
  const auto model = network(0.0);
  InferenceSession session(model, {2, 3, 16, 16});
  Generator generator(5);
  const Tensor a = Tensor::randn({2, 3, 16, 16}, generator), b = Tensor::randn({2, 3, 16, 16}, generator);
  const Tensor first = session(a), second = session(b);
  EXPECT_TRUE(bit_equal(first, plain(*model, a)));
  EXPECT_TRUE(bit_equal(second, plain(*model, b)));
}

TEST(InferenceSession, SharesWeightsBetweenThreads) {
  for (const double sparsity : {0.0, 0.9}) {
    const auto model = network(sparsity);
    Generator generator(5);
    constexpr int kThreads = 4;
    std::vector<Tensor> images, expected;
    for (int i = 0; i < kThreads; ++i) {
      images.push_back(Tensor::randn({2, 3, 16, 16}, generator));
      expected.push_back(plain(*model, images.back()));
    }
    std::vector<int> wrong(kThreads, 0);
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; ++i) {
      threads.emplace_back([&, i] {
        const auto at = static_cast<std::size_t>(i);
        const ThreadLimit one(1);
        InferenceSession session(model, {2, 3, 16, 16});
        for (int run = 0; run < 8; ++run) wrong[at] += bit_equal(session(images[at]), expected[at]) ? 0 : 1;
        wrong[at] += static_cast<int>(session.memory().unplanned);
      });
    }
    for (std::thread& thread : threads) thread.join();
    EXPECT_EQ(wrong, std::vector<int>(kThreads, 0)) << sparsity;
  }
}

TEST(InferenceSession, SharesPackedFilters) {
  const auto model = network(0.9);
  Generator generator(5);
  const Tensor images = Tensor::randn({2, 3, 16, 16}, generator);
  const InferenceSession session(model, images.shape());
  constexpr int kThreads = 3;
  std::vector<InferenceSession> shared;
  for (int i = 0; i < kThreads; ++i) shared.push_back(session.share());
  EXPECT_EQ(shared.back().plan(), session.plan());
  std::vector<int> wrong(kThreads, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreads; ++i) {
    threads.emplace_back([&, i] {
      const ThreadLimit one(1);
      const Tensor expected = plain(*model, images);
      const auto at = static_cast<std::size_t>(i);
      for (int run = 0; run < 8; ++run) wrong[at] += bit_equal(shared[at](images), expected) ? 0 : 1;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(wrong, std::vector<int>(kThreads, 0));
}

TEST(InferenceSession, PacksWeightsThatChangedAnew) {
  for (const double sparsity : {0.0, 0.9}) {
    const auto model = network(sparsity);
    const Tensor images = Tensor::ones({8, 3, 16, 16});
    InferenceSession session(model, images.shape());
    const Tensor before = session(images);
    const NoGrad no_grad;
    Tensor weight = model->parameter("layer1.0.conv1.weight");
    if (weight.is_masked()) {
      Tensor values = weight.weight_state().values();
      values.mul_(2.0);
      weight.weight_state().bump_values();
    } else {
      weight.mul_(2.0);
    }
    const Tensor after = session(images);
    EXPECT_FALSE(bit_equal(before, after));
    EXPECT_TRUE(bit_equal(after, plain(*model, images)));
  }
}

TEST(InferenceSession, IsRightWhateverTheNumberOfThreads) {
  const auto model = network(0.9);
  Generator generator(5);
  const Tensor images = Tensor::randn({16, 3, 16, 16}, generator);
  InferenceSession session(model, images.shape());
  const Tensor expected = session(images);
  for (const int threads : {1, 2, 3}) {
    const ThreadLimit limit(threads);
    EXPECT_TRUE(bit_equal(session(images), expected)) << threads;
  }
}

TEST(InferenceSession, RecordsAndFollowsAPlan) {
  const auto model = network(0.9);
  InferenceSession session(model, {16, 3, 16, 16});
  ASSERT_FALSE(session.plan().entries().empty());
  Plan plan = session.plan();
  const auto sparse = std::ranges::find_if(plan.entries(), [](const auto& e) { return e.second == "blocked/rows"; });
  ASSERT_NE(sparse, plan.entries().end());
  const std::string key = sparse->first;
  plan.set(key, "blocked/dense");
  InferenceSession forced(model, {16, 3, 16, 16}, {.plan = plan});
  EXPECT_EQ(*forced.plan().find(key), "blocked/dense");
  plan.set(key, "no_such_kernel");
  EXPECT_NE(error_of([&] {
              InferenceSession(model, {16, 3, 16, 16}, {.plan = plan});
            }).find("no_such_kernel"),
            std::string::npos);
}

TEST(InferenceSession, RunsAnyModule) {
  const auto model = models::mnist_cnn();
  model->eval();
  InferenceSession session(model, {5, 3, 28, 28});
  Generator generator(1);
  const Tensor images = Tensor::randn({5, 3, 28, 28}, generator);
  EXPECT_TRUE(bit_equal(session(images), plain(*model, images)));
  const auto nothing = std::make_shared<Identity>();
  nothing->eval();
  InferenceSession same(nothing, {2, 3});
  const Tensor values = Tensor::randn({2, 3}, generator);
  const Tensor output = same(values);
  EXPECT_TRUE(bit_equal(output, values));
  EXPECT_NE(output.data<float>(), values.data<float>());
}

TEST(InferenceSession, SaysWhatItExpects) {
  expect_error([] { InferenceSession(nullptr, {1, 3, 8, 8}); }, "[InferenceSession] expects a network; got null");
  const auto model = network(0.0);
  EXPECT_NE(error_of([&] { InferenceSession(model, {1, 4, 8, 8}); }).find("[conv2d]"), std::string::npos);
  InferenceSession session(model, {1, 3, 16, 16});
  expect_error(
      [&] {
        session(Tensor::zeros({2, 3, 16, 16}));
      },
      "[InferenceSession] expects an input float32 (1, 3, 16, 16); got float32 (2, 3, 16, 16); make a session "
      "for every shape");
  expect_error(
      [&] {
        session(Tensor::zeros({1, 3, 16, 16}, {.dtype = kInt64}));
      },
      "[InferenceSession] expects an input float32 (1, 3, 16, 16); got int64 (1, 3, 16, 16); make a session "
      "for every shape");
  model->module("layer1.0").train();
  expect_error(
      [&] {
        InferenceSession(model, {1, 3, 16, 16});
      },
      "[InferenceSession] expects a network in evaluation mode; got BasicBlock(16, 16) \"layer1.0\" in "
      "training mode; call eval() first");
}

}  // namespace
}  // namespace coppice::nn
