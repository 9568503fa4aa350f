// What a Masked weight, its gradient and its optimiser state cost, counted by the allocator.

#include <gtest/gtest.h>

#include <vector>

#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>

namespace coppice {
namespace {

template <class Optimizer, class Options>
void expect_packed_memory(Options options, std::int64_t states) {
  constexpr std::int64_t kWeights = 1'000'000;
  constexpr std::int64_t kAlive = 50'000;
  constexpr std::int64_t kDenseBytes = kWeights * 4;
  const Shape shape{1000, 1000};
  Generator generator(1);
  const Tensor dense = Tensor::randn(shape, generator);

  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope scope(allocator);
  const Mask alive = Mask::random(shape, kAlive, generator);
  Tensor weight = Tensor::masked(dense, alive).requires_grad_();
  Optimizer optimizer(std::vector<Tensor>{weight}, options);
  for (int step = 0; step < 2; ++step) {
    weight.set_grad(Tensor::ones({kAlive}));
    optimizer.step();
  }
  const std::int64_t packed = kAlive * 4;
  const std::int64_t exact = (2 + states) * packed + alive.bytes();  // value, gradient, states; one mask for all sets
  EXPECT_EQ(weight.weight_state().bytes() + packed, exact);
  EXPECT_GE(allocator->stats().current, exact);
  EXPECT_LE(allocator->stats().current, exact + exact / 4);  // size classes round up by at most a quarter
  // Not even for a moment did anything dense live: the peak is what is held and the gradient being replaced.
  EXPECT_LE(allocator->stats().peak, exact + packed + (exact + packed) / 4);
  EXPECT_LT(allocator->stats().peak, kDenseBytes / 2);
}

TEST(PackedMemory, SgdHoldsNothingDense) {
  expect_packed_memory<optim::SGD>(optim::SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 1e-4}, 1);
}

TEST(PackedMemory, AdamWHoldsNothingDense) { expect_packed_memory<optim::AdamW>(optim::AdamWOptions{}, 2); }

}  // namespace
}  // namespace coppice
