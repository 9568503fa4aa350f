// The examples in the documentation of public headers.

#include <gtest/gtest.h>

#include <coppice/coppice.h>

#include "tests/snippets/small_training.h"

namespace coppice::sparsity {
namespace {

TEST(Snippets, MaskControllerRunsTheLoop) {
  const auto [images, labels, steps] = small_training();
  constexpr std::uint64_t seed = 1;
  const auto network = models::mlp({784, 20, 10}, seed);
  nn::Module& model = *network;
  const MaskPolicy policy = rigl();
  make_sparse(model, policy, seed);
  optim::SGD optimizer(model.parameters(), {.lr = 0.1});
#include "snippets/sparsity/controller.h.1"
  EXPECT_GT(controller.records().size(), 0U);
}

}  // namespace
}  // namespace coppice::sparsity
