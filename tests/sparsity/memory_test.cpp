// What a sparse training holds: bytes asked of the allocator, not estimates.

#include <gtest/gtest.h>

#include <coppice/core/allocator.h>
#include <coppice/core/parallel.h>
#include <tests/sparsity/harness.h>

namespace coppice::sparsity {
namespace {

using testing::Rule;
using testing::short_iee;
using testing::short_rigl;
using testing::Training;

/// Bytes that live between iterations, and at their peak, of a training built and run in its own allocator.
class Held {
 public:
  Held() : allocator_(make_caching_allocator()), scope_(allocator_) {}
  std::int64_t now() const { return allocator_->stats().current; }
  std::int64_t peak() const { return allocator_->stats().peak; }
  void reset_peak() { allocator_->reset_peak(); }

 private:
  IntrusivePtr<Allocator> allocator_;
  AllocatorScope scope_;
};

TEST(Memory, NoDenseTensorSurvivesAStep) {
  const std::vector<std::int64_t> widths{512, 512, 512, 16};
  constexpr std::int64_t kDenseWeight = 512 * 512 * 4;
  for (const MaskPolicy& policy : {static_mask(), short_rigl(3), short_iee(3, 2, 3)}) {
    SCOPED_TRACE(policy.name);
    Held held;
    MaskPolicy sparse = policy;
    sparse.density = 0.02;
    Training training(sparse, 40, 1, Rule::AdamW, 0.0, widths);
    for (std::int64_t at = 0; at < 20; ++at) {
      const bool exploring = training.step(at).exploring;
      if (exploring && training.controller->decide(at + 1).exploring) continue;
      // Weights, two moments, masks, structure, gradients, data and biases together stay below one dense weight.
      EXPECT_LT(held.now(), kDenseWeight) << "after iteration " << at;
    }
  }
}

TEST(Memory, TenMillionWeightsAtNinetyPercentHoldASixth) {
  const std::vector<std::int64_t> widths{1024, 2688, 2688, 10};
  constexpr std::int64_t kWeights = 1024 * 2688 + 2688 * 2688 + 2688 * 10;
  static_assert(kWeights > 10'000'000);
  const auto held_by = [&](const MaskPolicy& policy) {
    Held held;
    Training training(policy, 8, 1, Rule::AdamW, 0.0, widths);
    for (std::int64_t at = 0; at < 3; ++at) training.step(at);
    return held.now();
  };
  const std::int64_t all = held_by(dense());
  EXPECT_GT(all, 16 * kWeights) << "weight, gradient and two moments";
  MaskPolicy fixed = static_mask();
  const auto share = [&](const MaskPolicy& policy) {
    return static_cast<double>(held_by(policy)) / static_cast<double>(all);
  };
  EXPECT_LE(share(fixed), 0.16);
  MaskPolicy gradient = rigl();
  gradient.interval = 1;  // iterations: step, update, step
  EXPECT_LE(share(gradient), 0.17);
}

}  // namespace
}  // namespace coppice::sparsity
