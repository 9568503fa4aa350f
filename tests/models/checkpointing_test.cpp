#include <coppice/models/nn/checkpointing.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/checkpoint.h>
#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/sequential.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/reduce.h>

#include "tests/error_of.h"

namespace coppice::nn {
namespace {

std::shared_ptr<Sequential> network() {
  auto model = std::make_shared<Sequential>();
  model->append(std::make_shared<Conv2d>(3, 8, 3, Conv2dLayerOptions{.padding = {1, 1}}));
  model->append(std::make_shared<BatchNorm2d>(8)).append(std::make_shared<ReLU>());
  model->append(std::make_shared<Conv2d>(8, 4, 3));
  initialize(*model, 3);
  Generator generator(4);
  const Tensor weight = model->parameter("3.weight").detach();
  model->set_parameter("3.weight", Tensor::masked(weight, Mask::random(weight.shape(), 60, generator)));
  return model;
}

TEST(Checkpoint, GivesTheSameGradientsAndStatistics) {
  Generator generator(1);
  const Tensor images = Tensor::randn({9, 3, 6, 6}, generator);
  const auto plain = network(), saved = network();
  const Tensor input = images.clone().requires_grad_(), other = images.clone().requires_grad_();
  sum((*plain)(input)*2.0).backward();
  sum(nn::checkpoint(*saved, other) * 2.0).backward();
  EXPECT_TRUE(bit_equal(input.grad(), other.grad()));
  for (const NamedTensor& parameter : plain->named_parameters()) {
    EXPECT_TRUE(bit_equal(parameter.tensor.grad(), saved->parameter(parameter.name).grad())) << parameter.name;
  }
  const StateDict a = plain->state_dict(), b = saved->state_dict();
  for (const NamedTensor& entry : a) EXPECT_TRUE(bit_equal(entry.tensor, b.at(entry.name))) << entry.name;
}

TEST(Checkpoint, ParametersLearnFromAnInputWithoutGradient) {
  const auto model = network();
  sum(nn::checkpoint(*model, Tensor::ones({2, 3, 6, 6}))).backward();
  for (const NamedTensor& parameter : model->named_parameters()) EXPECT_TRUE(parameter.tensor.grad().defined());
}

TEST(Checkpoint, KeepsNoActivations) {
  const auto deep = [] {
    auto model = std::make_shared<Sequential>();
    for (int i = 0; i < 8; ++i) {
      model->append(std::make_shared<Conv2d>(4, 4, 3, Conv2dLayerOptions{.padding = {1, 1}}));
      model->append(std::make_shared<ReLU>());
    }
    return model;
  };
  const auto held = [](const std::function<Tensor()>& run) {
    const std::int64_t before = cpu_allocator().stats().current;
    const Tensor output = run();
    return cpu_allocator().stats().current - before;
  };
  const auto model = deep();
  const Tensor input = Tensor::ones({4, 4, 32, 32}).requires_grad_();
  const std::int64_t activation = input.nbytes();
  EXPECT_GT(held([&] { return (*model)(input); }), 7 * activation);
  EXPECT_LT(held([&] { return nn::checkpoint(*model, input); }), 2 * activation);
}

TEST(Checkpoint, TakesManyInputsAndNeedsNotAllOutputs) {
  const Tensor a = Tensor::of({1.0, 2.0}).requires_grad_(), b = Tensor::of({3.0, 4.0}).requires_grad_();
  const Tensor scale = Tensor::of({5.0, 6.0}).requires_grad_();
  const auto segment = [scale](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {in[0] * in[1] * scale, in[0] + in[1]};
  };
  const std::vector<Tensor> out = coppice::checkpoint(segment, {a, b}, {scale});
  sum(out[0]).backward();
  EXPECT_EQ(a.grad().to_vector<double>(), (std::vector<double>{15, 24}));
  EXPECT_EQ(b.grad().to_vector<double>(), (std::vector<double>{5, 12}));
  EXPECT_EQ(scale.grad().to_vector<double>(), (std::vector<double>{3, 8}));
}

TEST(Checkpoint, SegmentsNest) {
  const Tensor x = Tensor::of({0.5}).requires_grad_();
  const auto inner = [](const std::vector<Tensor>& in) -> std::vector<Tensor> { return {exp(in[0])}; };
  const auto outer = [inner](const std::vector<Tensor>& in) -> std::vector<Tensor> {
    return {coppice::checkpoint(inner, {in[0] * 2.0})[0] * 3.0};
  };
  coppice::checkpoint(outer, {x})[0].backward();
  EXPECT_NEAR(x.grad().item<double>(), 6.0 * std::exp(1.0), 1e-12);
}

TEST(Checkpoint, SaysWhatItCannotDo) {
  const Tensor x = Tensor::of({0.5}).requires_grad_();
  const auto segment = [](const std::vector<Tensor>& in) -> std::vector<Tensor> { return {in[0] * in[0]}; };
  EXPECT_EQ(error_of([&] { grad({coppice::checkpoint(segment, {x})[0]}, {x}, {}, {.create_graph = true}); }),
            "[checkpoint] has no double backward; run the segment without it");
  const Tensor y = coppice::checkpoint(segment, {x})[0];
  {
    const NoGrad no_grad;
    x.detach().fill_(1.0);
  }
  EXPECT_NE(error_of([&] { y.backward(); }), "");
}

}  // namespace
}  // namespace coppice::nn
