#include <coppice/models/nn/fold.h>

#include <algorithm>
#include <cmath>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/elementwise.h>

#include "tests/error_of.h"
#include "tests/models/trained_statistics.h"

namespace coppice::nn {
namespace {

using Build = std::shared_ptr<Module> (*)();

Tensor evaluate(Module& model, const Tensor& images) {
  const NoGrad no_grad;
  return model(images).to_dense().clone();
}

double largest(const std::vector<double>& values) {
  double result = 0.0;
  for (double value : values) result = std::max(result, std::abs(value));
  return result;
}

double largest_difference(const Tensor& a, const Tensor& b) {
  auto x = a.to_vector<double>();
  const auto y = b.to_vector<double>();
  for (std::size_t i = 0; i < x.size(); ++i) x[i] -= y[i];
  return largest(x);
}

/// A folded network agrees with what it was: in f64 to rounding; and in f32 it is as near to the f64 result as the
/// unfolded one is, up to a factor, since it rounds no more often.
void expect_folding_keeps(Build build, double sparsity, std::int64_t norms, std::int64_t batch, std::int64_t size) {
  const auto make = [&](DType dtype) {
    const auto model = build();
    testing::draw_norms(*model, 3);
    if (sparsity > 0.0) testing::mask_randomly(*model, sparsity, 4);
    model->to(dtype);
    model->eval();
    return model;
  };
  Generator generator(5);
  const Tensor images = Tensor::randn({batch, 3, size, size}, generator);
  const auto exact = make(kFloat64), single = make(kFloat32);
  const Tensor exact_images = images.to(kFloat64);
  const Tensor expected = evaluate(*exact, exact_images);
  const double scale = largest(expected.to_vector<double>());
  ASSERT_GT(scale, 0.0);
  const double error = largest_difference(evaluate(*single, images), expected);
  EXPECT_EQ(fold_batch_norm(*exact, {1, 3, size, size}), norms);
  EXPECT_EQ(fold_batch_norm(*single, {1, 3, size, size}), norms);
  for (const NamedTensor& entry : exact->named_buffers()) ADD_FAILURE() << "a norm is left: " << entry.name;
  EXPECT_LE(largest_difference(evaluate(*exact, exact_images), expected), 1e-12 * scale);
  EXPECT_LE(largest_difference(evaluate(*single, images), expected), 4.0 * error + 1e-6 * scale);
  if (sparsity > 0.0) {
    for (const NamedTensor& entry : exact->named_parameters()) {
      EXPECT_EQ(entry.tensor.is_masked(), entry.tensor.dim() > 1) << entry.name;
    }
  }
  EXPECT_EQ(fold_batch_norm(*exact, {1, 3, size, size}), 0);
}

std::shared_ptr<Module> small_resnet18() {
  return models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .width = 8, .seed = 1});
}
std::shared_ptr<Module> small_resnet50() { return models::resnet50({.num_classes = 10, .width = 8, .seed = 1}); }
std::shared_ptr<Module> small_resnet20() { return models::resnet20({.width = 8, .seed = 1}); }

TEST(Fold, KeepsWhatResidualNetworksCompute) {
  for (const double sparsity : {0.0, 0.9}) {
    for (const std::int64_t batch : {1, 17}) {
      SCOPED_TRACE("sparsity " + std::to_string(sparsity) + ", batch " + std::to_string(batch));
      expect_folding_keeps(small_resnet18, sparsity, 20, batch, 16);
      expect_folding_keeps(small_resnet20, sparsity, 21, batch, 16);
      expect_folding_keeps(small_resnet50, sparsity, 53, batch, 33);
    }
  }
}

TEST(Fold, ScalesRowsAndShiftsBiases) {
  auto conv = std::make_shared<Conv2d>(1, 2, 1);
  conv->set_parameter("weight", Tensor::of({3.0F, 5.0F}).reshape({2, 1, 1, 1}));
  conv->set_parameter("bias", Tensor::of({1.0F, 2.0F}));
  auto norm = std::make_shared<BatchNorm2d>(2, BatchNorm2dOptions{.eps = 0.0});
  detail::copy_into(norm->weight(), Tensor::of({2.0F, 3.0F}));
  detail::copy_into(norm->bias(), Tensor::of({10.0F, 20.0F}));
  detail::copy_into(norm->running_mean(), Tensor::of({3.0F, 1.0F}));
  detail::copy_into(norm->running_var(), Tensor::of({4.0F, 9.0F}));
  Sequential model{conv, norm};
  model.eval();
  EXPECT_EQ(fold_batch_norm(model, {1, 1, 1, 1}), 1);
  EXPECT_EQ(model.parameter("0.weight").to_vector<double>(), (std::vector<double>{3, 5}));  // scales 2/2 and 3/3
  EXPECT_EQ(model.parameter("0.bias").to_vector<double>(), (std::vector<double>{8, 21}));   // (b − mean) + beta
  EXPECT_EQ(model.module("1").description(), "Identity");
  EXPECT_FALSE(model.is_training());
  EXPECT_FALSE(model.module("0").is_training());
}

TEST(Fold, KeepsGroupsStrideAndAMasksPattern) {
  auto conv = std::make_shared<Conv2d>(4, 8, 3, Conv2dLayerOptions{.stride = {2, 1}, .groups = 2, .bias = false});
  const Tensor dense = conv->weight().detach();
  Tensor bits = Tensor::zeros(dense.shape());
  for (std::int64_t row = 4; row < 8; ++row) {
    for (std::int64_t i = 0; i < 18; i += 5) bits.data<float>()[row * 18 + i] = 1.0F;
  }
  conv->set_parameter("weight", Tensor::masked(dense, Mask::from_nonzero(bits).with_pattern(Pattern::block(4, 1))));
  Sequential model{conv, std::make_shared<BatchNorm2d>(8, BatchNorm2dOptions{.affine = false})};
  testing::draw_norms(model, 1);
  model.eval();
  Generator generator(2);
  const Tensor images = Tensor::randn({9, 4, 7, 6}, generator);
  const Tensor expected = evaluate(model, images);
  EXPECT_EQ(fold_batch_norm(model, images.shape()), 1);
  const Tensor& weight = model.parameter("0.weight");
  EXPECT_EQ(weight.weight_state().alive().pattern(), Pattern::block(4, 1));
  EXPECT_LE(largest_difference(evaluate(model, images), expected), 1e-5);
}

/// A convolution whose output the norm is not alone to read.
class Forked : public Module {
 public:
  Forked() {
    register_module("conv", std::make_shared<Conv2d>(2, 2, 1));
    register_module("norm", std::make_shared<BatchNorm2d>(2));
  }
  Tensor forward(const Tensor& input) override {
    const Tensor y = module("conv")(input);
    return module("norm")(y) + y;
  }
  std::string description() const override { return "Forked"; }
};

TEST(Fold, LeavesPairsThatAreNotPairs) {
  Forked forked;
  forked.eval();
  EXPECT_EQ(fold_batch_norm(forked, {1, 2, 3, 3}), 0);
  const auto conv = std::make_shared<Conv2d>(2, 2, 1);
  Sequential twice{conv, std::make_shared<BatchNorm2d>(2), conv};
  twice.eval();
  EXPECT_EQ(fold_batch_norm(twice, {1, 2, 3, 3}), 0);
  Sequential between{std::make_shared<Conv2d>(2, 2, 1), std::make_shared<ReLU>(), std::make_shared<BatchNorm2d>(2)};
  between.eval();
  EXPECT_EQ(fold_batch_norm(between, {1, 2, 3, 3}), 0);
  Sequential batch{std::make_shared<Conv2d>(2, 2, 1), std::make_shared<BatchNorm2d>(2)};
  batch.eval();
  {
    const BatchNormGuard guard(batch);
    EXPECT_EQ(fold_batch_norm(batch, {1, 2, 3, 3}), 0);
  }
  const int hook = batch.module("0").add_forward_hook([](Module&, const Tensor&, const Tensor&) {});
  EXPECT_EQ(fold_batch_norm(batch, {1, 2, 3, 3}), 0);
  batch.module("0").remove_forward_hook(hook);
  for (const Tensor& parameter : batch.parameters()) {
    Tensor handle = parameter;
    handle.requires_grad_(false);
  }
  const NoGrad no_grad;
  EXPECT_EQ(fold_batch_norm(batch, {1, 2, 3, 3}), 1);
  EXPECT_FALSE(batch.parameter("0.weight").requires_grad());
}

TEST(Fold, SaysWhatItExpects) {
  Sequential model{std::make_shared<Conv2d>(2, 2, 1)};
  expect_error(
      [&] {
        fold_batch_norm(model, {1, 2, 3, 3});
      },
      "[fold_batch_norm] expects a network in evaluation mode; got Sequential in training mode; call eval() "
      "first");
  model.eval();
  EXPECT_NE(error_of([&] { fold_batch_norm(model, {1, 3, 3, 3}); }).find("[conv2d]"), std::string::npos);
  EXPECT_FALSE(model.module("0").has_forward_hooks());
}

}  // namespace
}  // namespace coppice::nn
