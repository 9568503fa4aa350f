#pragma once

#include <functional>
#include <vector>

#include <gtest/gtest.h>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/node.h>
#include <coppice/core/allocator.h>

namespace coppice {

struct LeakCheckOptions {
  bool create_graph = true;  ///< false for operations without double backward
};

/// Runs `function` on `inputs` (at least one requires a gradient) forward, with backward, and with recorded backward
/// and backward through that, and expects that every graph node and every byte of tensor memory made meanwhile is freed
/// when the results are dropped. A first run outside the count fills caches that belong to the inputs.
inline void expect_no_leak(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
                           const std::vector<Tensor>& inputs, LeakCheckOptions options = {}) {
  std::vector<Tensor> leaves;
  for (const Tensor& input : inputs) {
    if (input.defined() && input.requires_grad()) leaves.push_back(input);
  }
  const auto recorded = [](const std::vector<Tensor>& tensors) {
    std::vector<Tensor> kept;
    for (const Tensor& tensor : tensors) {
      if (tensor.defined() && tensor.requires_grad()) kept.push_back(tensor);
    }
    return kept;
  };
  const auto ones = [](const std::vector<Tensor>& tensors) {
    std::vector<Tensor> result;
    for (const Tensor& tensor : tensors) result.push_back(Tensor::ones_like(tensor));
    return result;
  };
  const auto clear = [&] {
    for (const Tensor& leaf : leaves) leaf.set_grad({});
  };
  const auto forward = [&] { function(inputs); };
  const auto forward_backward = [&] {
    const std::vector<Tensor> outputs = recorded(function(inputs));
    backward(outputs, ones(outputs));
    clear();
  };
  const auto double_backward = [&] {
    const std::vector<Tensor> outputs = recorded(function(inputs));
    const std::vector<Tensor> first = recorded(grad(outputs, leaves, ones(outputs), {.create_graph = true}));
    if (!first.empty()) backward(first, ones(first));
    clear();
  };
  const auto expect_freed = [&](const char* what, const std::function<void()>& work) {
    work();
    const std::int64_t nodes = detail::live_nodes();
    const IntrusivePtr<Allocator> allocator = make_caching_allocator();
    {
      const AllocatorScope scope(allocator);
      work();
    }
    EXPECT_EQ(detail::live_nodes(), nodes) << what << " keeps graph nodes alive";
    EXPECT_EQ(allocator->stats().current, 0) << what << " keeps tensor memory alive";
  };
  {
    const NoGrad no_grad;
    expect_freed("forward without recording", forward);
  }
  expect_freed("forward", forward);
  expect_freed("backward", forward_backward);
  if (options.create_graph) expect_freed("double backward", double_backward);
}

}  // namespace coppice
