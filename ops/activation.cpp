#include <coppice/ops/activation.h>

#include <coppice/autograd/record.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/functors_activation.h>
#include <coppice/ops/logical.h>
#include <coppice/ops/map.h>

namespace coppice {
namespace {

/// d_output where output > 0, else 0: linear in d_output, so its own gradient is itself.
Tensor relu_backward(const Tensor& d_output, const Tensor& output) {
  return record("relu_backward", map("relu_backward", BinaryOp::ReluBackward, d_output, output), {d_output}, {output},
                [](const Saved& saved, const Tensor& dd_input) { return relu_backward(dd_input, saved[0]); });
}

/// An activation: the ops of its two kernels, both with one parameter.
struct Activation {
  const char* name;
  const char* backward_name;
  UnaryOp forward;
  BinaryOp backward;
  bool of_output;                                          // what the backward reads: the output or the input
  Tensor (*second)(const Tensor& read, double parameter);  // the derivative of f′ by what it reads; null where it is 0
};

const Activation kSigmoid{
    "sigmoid", "sigmoid_backward", UnaryOp::Sigmoid, BinaryOp::SigmoidBackward, true, [](const Tensor& y, double) {
      return 1.0 - y * 2.0;
    }};

const Activation kTanh{"tanh",        "tanh_backward",
                       UnaryOp::Tanh, BinaryOp::TanhBackward,
                       true,          [](const Tensor& y, double) { return y * -2.0; }};

const Activation kLogSigmoid{"log_sigmoid",
                             "log_sigmoid_backward",
                             UnaryOp::LogSigmoid,
                             BinaryOp::LogSigmoidBackward,
                             false,
                             [](const Tensor& x, double) {
                               const Tensor s = sigmoid(x);
                               return -s * (1.0 - s);
                             }};

const Activation kSoftplus{"softplus",
                           "softplus_backward",
                           UnaryOp::Softplus,
                           BinaryOp::SoftplusBackward,
                           false,
                           [](const Tensor& x, double threshold) {
                             const Tensor s = sigmoid(x);
                             return where(x > threshold, 0, s * (1.0 - s));
                           }};

const Activation kElu{"elu",        "elu_backward",
                      UnaryOp::Elu, BinaryOp::EluBackward,
                      false,        [](const Tensor& x, double alpha) { return where(x > 0, 0, exp(x) * alpha); }};

const Activation kHardswish{"hardswish",
                            "hardswish_backward",
                            UnaryOp::Hardswish,
                            BinaryOp::HardswishBackward,
                            false,
                            [](const Tensor& x, double) { return (abs(x.detach()) <= 3.0).to(x.dtype()) / 3.0; }};

const Activation kMish{
    "mish", "mish_backward", UnaryOp::Mish, BinaryOp::MishBackward, false, [](const Tensor& x, double) {
      const Tensor s = sigmoid(x), t = tanh(softplus(x));
      return (1.0 - t * t) * s * (x * (1.0 - s - t * s * 2.0) + 2.0);
    }};

const Activation kRelu6{"relu6", "relu6_backward", UnaryOp::Relu6, BinaryOp::Relu6Backward, false, nullptr};
const Activation kLeakyRelu{"leaky_relu", "leaky_relu_backward", UnaryOp::LeakyRelu, BinaryOp::LeakyReluBackward, false,
                            nullptr};
const Activation kHardsigmoid{
    "hardsigmoid", "hardsigmoid_backward", UnaryOp::Hardsigmoid, BinaryOp::HardsigmoidBackward, false, nullptr};

const Activation kSilu{
    "silu", "silu_backward", UnaryOp::Silu, BinaryOp::SiluBackward, false, [](const Tensor& x, double) {
      const Tensor s = sigmoid(x);
      return s * (1.0 - s) * (x * (1.0 - s * 2.0) + 2.0);
    }};

const Activation kGelu{
    "gelu", "gelu_backward", UnaryOp::Gelu, BinaryOp::GeluBackward, false, [](const Tensor& x, double) {
      const Tensor square = x * x;
      return exp(square * -0.5) * (2.0 - square) * 0.39894228040143267794;
    }};

const Activation kGeluTanh{
    "gelu", "gelu_backward", UnaryOp::GeluTanh, BinaryOp::GeluTanhBackward, false, [](const Tensor& x, double) {
      const Tensor square = x * x;
      const Tensor s = sigmoid((square * x * functor::kGeluCubic + x) * functor::kGeluSlope);
      const Tensor slope = (square * (3.0 * functor::kGeluCubic) + 1.0) * functor::kGeluSlope;
      const Tensor bend = square * (6.0 * functor::kGeluCubic * functor::kGeluSlope);
      return s * (1.0 - s) * (slope * 2.0 + bend + x * slope * slope * (1.0 - s * 2.0));
    }};

/// d_output · f′
Tensor activation_backward(const Activation& f, double parameter, const Tensor& d_output, const Tensor& read) {
  return record(f.backward_name, map(f.backward_name, f.backward, d_output, read, parameter), {d_output, read},
                {d_output, read}, [&f, parameter](const Saved& saved, const Tensor& dd_input) {
                  Gradients gradients(2);
                  if (saved.needs(0)) gradients[0] = activation_backward(f, parameter, dd_input, saved[1]);
                  if (saved.needs(1) && f.second) gradients[1] = dd_input * saved[0] * f.second(saved[1], parameter);
                  return gradients;
                });
}

Tensor of_any(const Activation& f, const Tensor& input, double parameter = 0.0) {
  const Tensor output = map(f.name, f.forward, input, parameter);
  return record(f.name, output, {input}, {f.of_output ? output : input},
                [&f, parameter](const Saved& saved, const Tensor& d_output) {
                  return activation_backward(f, parameter, d_output, saved[0]);
                });
}

void check_floating(const char* op, const Tensor& input) {
  COPPICE_CHECK(is_floating(input.dtype()), "[", op, "] expects a floating dtype; got ", input.dtype(), " ",
                input.shape(), "; cast with to()");
}

Tensor of_floating(const Activation& f, const Tensor& input, double parameter = 0.0) {
  check_floating(f.name, input);
  return of_any(f, input, parameter);
}

}  // namespace

Tensor sigmoid(const Tensor& input) { return of_any(kSigmoid, input); }
Tensor tanh(const Tensor& input) { return of_any(kTanh, input); }
Tensor log_sigmoid(const Tensor& input) { return of_floating(kLogSigmoid, input); }
Tensor silu(const Tensor& input) { return of_floating(kSilu, input); }
Tensor mish(const Tensor& input) { return of_floating(kMish, input); }
Tensor relu6(const Tensor& input) { return of_floating(kRelu6, input); }
Tensor hardswish(const Tensor& input) { return of_floating(kHardswish, input); }
Tensor hardsigmoid(const Tensor& input) { return of_floating(kHardsigmoid, input); }
Tensor elu(const Tensor& input, double alpha) { return of_floating(kElu, input, alpha); }

Tensor leaky_relu(const Tensor& input, double negative_slope) { return of_floating(kLeakyRelu, input, negative_slope); }

Tensor gelu(const Tensor& input, const GeluOptions& options) {
  return of_floating(options.approximate == GeluApproximate::Tanh ? kGeluTanh : kGelu, input);
}

Tensor softplus(const Tensor& input, double beta, double threshold) {
  COPPICE_CHECK(beta > 0.0, "[softplus] expects beta > 0; got ", beta, " for ", input.shape());
  if (beta == 1.0) return of_floating(kSoftplus, input, threshold);
  return of_floating(kSoftplus, input * beta, threshold) / beta;
}

Tensor hardtanh(const Tensor& input, double min_val, double max_val) {
  COPPICE_CHECK(min_val <= max_val, "[hardtanh] expects min_val ≤ max_val; got ", min_val, " and ", max_val, " for ",
                input.shape());
  check_floating("hardtanh", input);
  const Tensor output = clamp(input.detach(), min_val, max_val);
  return record("hardtanh", output, {input}, {input}, [min_val, max_val](const Saved& saved, const Tensor& d_output) {
    const Tensor x = saved[0].detach();
    return where(logical_and(x > min_val, x < max_val), d_output, 0);
  });
}

Tensor prelu(const Tensor& input, const Tensor& weight) {
  check_floating("prelu", input);
  const std::int64_t channels = input.dim() > 1 ? input.shape()[1] : 1;
  COPPICE_CHECK(weight.dim() <= 1 && (weight.numel() == 1 || weight.numel() == channels),
                "[prelu] expects one weight, or one for each of ", channels, " channels; got weight ", weight.shape(),
                ", input ", input.shape());
  Dims of_channel;
  for (int i = 0; i < input.dim(); ++i) of_channel.push_back(i == 1 ? weight.numel() : 1);
  return where(input.detach() > 0, input, input * weight.reshape(Shape(of_channel)));
}

Tensor relu(const Tensor& input) {
  Tensor output = map("relu", UnaryOp::Relu, input);
  return record("relu", output, {input}, {output},
                [](const Saved& saved, const Tensor& d_output) { return relu_backward(d_output, saved[0].detach()); });
}

}  // namespace coppice
