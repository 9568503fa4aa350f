#include <coppice/ops/activation.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/functors.h>
#include <coppice/ops/map.h>

namespace coppice {
namespace {

/// d_output where output > 0, else 0: linear in d_output, so its own gradient is itself.
Tensor relu_backward(const Tensor& d_output, const Tensor& output) {
  return record("relu_backward", map("relu_backward", BinaryOp::ReluBackward, d_output, output), {d_output}, {output},
                [](const Saved& saved, const Tensor& dd_input) { return relu_backward(dd_input, saved[0]); });
}

/// A smooth activation: the ops of its two kernels, and its second derivative in recorded operations.
struct Smooth {
  const char* name;
  const char* backward_name;
  UnaryOp forward;
  BinaryOp backward;
  Tensor (*second)(const Tensor& input);
};

Tensor sigmoid(const Tensor& x) { return div(1.0, exp(-x) + 1.0); }

const Smooth kSilu{"silu", "silu_backward", UnaryOp::Silu, BinaryOp::SiluBackward, [](const Tensor& x) {
                     const Tensor s = sigmoid(x);
                     return s * (1.0 - s) * (x * (1.0 - s * 2.0) + 2.0);
                   }};

const Smooth kGelu{"gelu", "gelu_backward", UnaryOp::Gelu, BinaryOp::GeluBackward, [](const Tensor& x) {
                     const Tensor square = x * x;
                     return exp(square * -0.5) * (2.0 - square) * 0.39894228040143267794;
                   }};

const Smooth kGeluTanh{"gelu", "gelu_backward", UnaryOp::GeluTanh, BinaryOp::GeluTanhBackward, [](const Tensor& x) {
                         const Tensor square = x * x;
                         const Tensor s = sigmoid((square * x * functor::kGeluCubic + x) * functor::kGeluSlope);
                         const Tensor slope = (square * (3.0 * functor::kGeluCubic) + 1.0) * functor::kGeluSlope;
                         const Tensor bend = square * (6.0 * functor::kGeluCubic * functor::kGeluSlope);
                         return s * (1.0 - s) * (slope * 2.0 + bend + x * slope * slope * (1.0 - s * 2.0));
                       }};

/// d_output · f′(input).
Tensor smooth_backward(const Smooth& f, const Tensor& d_output, const Tensor& input) {
  return record(f.backward_name, map(f.backward_name, f.backward, d_output, input), {d_output, input},
                {d_output, input}, [&f](const Saved& saved, const Tensor& dd_input) {
                  Gradients gradients(2);
                  if (saved.needs(0)) gradients[0] = smooth_backward(f, dd_input, saved[1]);
                  if (saved.needs(1)) gradients[1] = dd_input * saved[0] * f.second(saved[1]);
                  return gradients;
                });
}

Tensor smooth(const Smooth& f, const Tensor& input) {
  COPPICE_CHECK(is_floating(input.dtype()), "[", f.name, "] expects a floating dtype; got ", input.dtype(), " ",
                input.shape(), "; cast with to()");
  return record(f.name, map(f.name, f.forward, input), {input}, {input},
                [&f](const Saved& saved, const Tensor& d_output) { return smooth_backward(f, d_output, saved[0]); });
}

}  // namespace

Tensor silu(const Tensor& input) { return smooth(kSilu, input); }

Tensor gelu(const Tensor& input, const GeluOptions& options) {
  return smooth(options.approximate == GeluApproximate::Tanh ? kGeluTanh : kGelu, input);
}

Tensor relu(const Tensor& input) {
  Tensor output = map("relu", UnaryOp::Relu, input);
  return record("relu", output, {input}, {output},
                [](const Saved& saved, const Tensor& d_output) { return relu_backward(d_output, saved[0].detach()); });
}

}  // namespace coppice
