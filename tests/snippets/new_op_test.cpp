// The worked example of docs/architecture.md, "How to add an op".

#include <gtest/gtest.h>

#include <coppice/autograd/gradcheck.h>
#include <coppice/autograd/record.h>
#include <coppice/core/generator.h>
#include <coppice/ops/elementwise.h>

namespace coppice {
namespace {

struct LeakyReluOptions {
  double negative_slope = 0.01;
};

#include "snippets/docs/architecture.md.1"

TEST(NewOp, ComputesChecksAndDifferentiates) {
  EXPECT_EQ(leaky_relu(Tensor::of({-2.0F, 0.0F, 3.0F}), {.negative_slope = 0.5}).to_vector<float>(),
            (std::vector<float>{-1.0F, 0.0F, 3.0F}));
  EXPECT_THROW(leaky_relu(Tensor::of({1, 2})), Error);
  Generator generator(5);
  const Tensor input = Tensor::randn({3, 4}, generator, {.dtype = kFloat64, .requires_grad = true});
  gradcheck([](const std::vector<Tensor>& x) { return std::vector<Tensor>{leaky_relu(x[0])}; }, {input},
            {.double_backward = true});
}

}  // namespace
}  // namespace coppice
