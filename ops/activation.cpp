#include <coppice/ops/activation.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/map.h>

namespace coppice {
namespace {

/// d_output where output > 0, else 0: linear in d_output, so its own gradient is itself.
Tensor relu_backward(const Tensor& d_output, const Tensor& output) {
  return record("relu_backward", map("relu_backward", BinaryOp::ReluBackward, d_output, output), {d_output}, {output},
                [](const Saved& saved, const Tensor& dd_input) { return relu_backward(dd_input, saved[0]); });
}

}  // namespace

Tensor relu(const Tensor& input) {
  Tensor output = map("relu", UnaryOp::Relu, input);
  return record("relu", output, {input}, {output},
                [](const Saved& saved, const Tensor& d_output) { return relu_backward(d_output, saved[0].detach()); });
}

}  // namespace coppice
