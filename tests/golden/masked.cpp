#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/conv2d.h>
#include <coppice/ops/linear.h>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

/// The output of a layer with a Masked weight and the gradients of its input, weight (zero where not alive) and bias.
template <class Layer>
Tensors passes(const Tensors& operands, Layer layer) {
  Tensor x = operands.at(0).detach().requires_grad_();
  Tensor weight = Tensor::masked(operands.at(1), Mask::from_tensor(operands.at(2)));
  weight.requires_grad_();
  Tensor bias = operands.at(3).detach().requires_grad_();
  const Tensor y = layer(x, weight, bias);
  y.backward(projection(y.shape(), 0, y.dtype()));
  return {y.detach(), x.grad(), WeightState::scatter(weight.grad(), weight.weight_state().alive()), bias.grad()};
}

}  // namespace

Table masked() {
  return {
      {"masked_linear", {[](const Tensors& operands, const Options&) { return passes(operands, linear); }}},
      {"masked_conv2d",
       {[](const Tensors& operands, const Options& options) {
          return passes(operands, [&](const Tensor& x, const Tensor& weight, const Tensor& bias) {
            return conv2d(x, weight, bias,
                          {.stride = options.pair("stride"),
                           .padding = options.pair("padding"),
                           .dilation = options.pair("dilation"),
                           .groups = options.integer("groups")});
          });
        },
        /*takes_blocked=*/true}},
  };
}

}  // namespace coppice::golden
