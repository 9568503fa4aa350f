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

Shape check_leaky_relu(const Tensor& input) {
  COPPICE_CHECK(is_floating(input.dtype()), "[leaky_relu] expects a floating dtype; got ", input.dtype(), " ",
                input.shape());
  return input.shape();
}

Tensor leaky_relu_forward(const Tensor& input, double slope) {
  NoGrad no_grad;
  return where(input > 0.0, input, input * slope);
}

Tensor leaky_relu(const Tensor& input, LeakyReluOptions options = {}) {
  check_leaky_relu(input);
  const double slope = options.negative_slope;
  return record("leaky_relu", leaky_relu_forward(input, slope), {input}, {input},
                [slope](const Saved& saved, const Tensor& d_output) {
                  return where(saved[0] > 0.0, d_output, d_output * slope);
                });
}

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
