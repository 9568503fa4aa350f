// LibTorch (C++) as a peer: what a small operation costs. Networks are measured through PyTorch, which is the same
// library.

#include <torch/torch.h>
#include <torch/version.h>

#include "bench/peers/protocol.h"

namespace coppice::peers {
namespace {

constexpr int kChain = 100;

/// A chain of additions of (1, 32) tensors, forward, or forward and backward.
Call small_op(const Arguments& arguments) {
  const bool backward = arguments.number("backward") != 0;
  const torch::Tensor x = torch::ones({1, 32}, torch::requires_grad(backward));
  const torch::Tensor step = torch::ones({1, 32}), seed = torch::ones({1, 32});
  return [=] {
    const torch::AutoGradMode mode(backward);
    torch::Tensor y = x;
    for (int i = 0; i < kChain; ++i) y = y + step;
    if (!backward) return;
    y.backward(seed);
    x.mutable_grad() = torch::Tensor();
  };
}

}  // namespace
}  // namespace coppice::peers

int main() {
  at::set_num_threads(1);
  return coppice::peers::serve(std::string("LibTorch\t") + TORCH_VERSION + "\tC++, one thread",
                               {{"small_op", coppice::peers::small_op}});
}
