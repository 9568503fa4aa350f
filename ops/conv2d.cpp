#include <coppice/ops/conv2d.h>

#include <coppice/autograd/record.h>
#include <coppice/core/flops.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/cpu/conv2d.h>
#include <coppice/ops/reduce.h>

namespace coppice {

namespace {

std::int64_t output_size(std::int64_t size, std::int64_t kernel, const Conv2dOptions& o, std::size_t axis) {
  const std::int64_t room = size + 2 * o.padding[axis] - o.dilation[axis] * (kernel - 1) - 1;
  return room < 0 ? 0 : room / o.stride[axis] + 1;
}

cpu::Conv2dGeometry geometry_of(const Shape& input, const Shape& weight, const Shape& output, const Conv2dOptions& o) {
  return {.batch = input[0],
          .channels = input[1],
          .height = input[2],
          .width = input[3],
          .out_channels = weight[0],
          .kernel_h = weight[2],
          .kernel_w = weight[3],
          .out_h = output[2],
          .out_w = output[3],
          .stride_h = o.stride[0],
          .stride_w = o.stride[1],
          .pad_h = o.padding[0],
          .pad_w = o.padding[1],
          .dilation_h = o.dilation[0],
          .dilation_w = o.dilation[1],
          .groups = o.groups};
}

/// The elements a kernel reads: a Masked weight is expanded for the length of the call.
Tensor dense_elements(const Tensor& tensor) {
  return tensor.is_masked() ? tensor.weight_state().to_dense() : detail::raw_contiguous(tensor);
}

double flops(const Shape& output, std::int64_t weights) {
  return 2.0 * static_cast<double>(output[0] * output[2] * output[3]) * static_cast<double>(weights);
}

double alive_flops(const Shape& output, const Tensor& weight) {
  return flops(output, weight.is_masked() ? weight.weight_state().alive().count() : weight.numel());
}

Tensor raw_conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& output_shape,
                  const Conv2dOptions& options) {
  const Tensor output = Tensor::empty(output_shape, {.dtype = input.dtype(), .device = input.device()});
  const Tensor x = dense_elements(input);
  const Tensor w = dense_elements(weight);
  const Tensor b = bias.defined() ? dense_elements(bias) : Tensor();
  dispatch_floating(input.dtype(), "conv2d", [&]<class T>() {
    cpu::conv2d_forward(geometry_of(input.shape(), weight.shape(), output_shape, options), x.data<T>(), w.data<T>(),
                        b.defined() ? b.data<T>() : nullptr, output.data<T>());
  });
  count_flops(FlopPhase::Forward, flops(output_shape, weight.numel()), alive_flops(output_shape, weight));
  return output;
}

Tensor weight_gradient(const Tensor& d_output, const Tensor& input, const Shape& weight_shape,
                       const Conv2dOptions& options);

/// The gradient of conv2d's input: bilinear in d_output and weight, hence differentiable in the same three functions.
Tensor data_gradient(const Tensor& d_output, const Tensor& weight, const Shape& input_shape,
                     const Conv2dOptions& options) {
  const Tensor d_input = Tensor::empty(input_shape, {.dtype = d_output.dtype(), .device = d_output.device()});
  const Tensor dy = dense_elements(d_output);
  const Tensor w = dense_elements(weight);
  dispatch_floating(d_output.dtype(), "conv2d", [&]<class T>() {
    cpu::conv2d_data_gradient(geometry_of(input_shape, weight.shape(), d_output.shape(), options), dy.data<T>(),
                              w.data<T>(), d_input.data<T>());
  });
  count_flops(FlopPhase::DataGradient, flops(d_output.shape(), weight.numel()), alive_flops(d_output.shape(), weight));
  return record("conv2d_data_gradient", d_input, {d_output, weight}, {d_output, weight},
                [options](const Saved& saved, const Tensor& gradient) {
                  Gradients result(2);
                  if (saved.needs(0)) result[0] = conv2d(gradient, saved[1], {}, options);
                  if (saved.needs(1)) result[1] = weight_gradient(saved[0], gradient, saved[1].shape(), options);
                  return result;
                });
}

/// The gradient of conv2d's weight, dense: bilinear in d_output and input.
Tensor weight_gradient(const Tensor& d_output, const Tensor& input, const Shape& weight_shape,
                       const Conv2dOptions& options) {
  const Tensor d_weight = Tensor::empty(weight_shape, {.dtype = d_output.dtype(), .device = d_output.device()});
  const Tensor dy = dense_elements(d_output);
  const Tensor x = dense_elements(input);
  dispatch_floating(d_output.dtype(), "conv2d", [&]<class T>() {
    cpu::conv2d_weight_gradient(geometry_of(input.shape(), weight_shape, d_output.shape(), options), dy.data<T>(),
                                x.data<T>(), d_weight.data<T>());
  });
  return record("conv2d_weight_gradient", d_weight, {d_output, input}, {d_output, input},
                [options](const Saved& saved, const Tensor& gradient) {
                  Gradients result(2);
                  if (saved.needs(0)) result[0] = conv2d(saved[1], gradient, {}, options);
                  if (saved.needs(1)) result[1] = data_gradient(saved[0], gradient, saved[1].shape(), options);
                  return result;
                });
}

/// The weight gradient in the form the weight asks for, with its FLOPs.
Tensor asked_weight_gradient(const Tensor& d_output, const Tensor& input, const Tensor& weight,
                             const Conv2dOptions& options) {
  const double dense = flops(d_output.shape(), weight.numel());
  const GradientKind kind = weight.is_masked() ? weight.weight_state().gradient_kind() : GradientKind::Dense;
  if (kind == GradientKind::None) {
    count_flops(FlopPhase::WeightGradient, dense, 0.0);
    return {};
  }
  const Tensor gradient = weight_gradient(d_output, input, weight.shape(), options);
  if (kind == GradientKind::Dense) {
    count_flops(FlopPhase::WeightGradient, dense, dense);
    return gradient;
  }
  const Mask& trainable = weight.weight_state().trainable();
  count_flops(FlopPhase::WeightGradient, dense, flops(d_output.shape(), trainable.count()));
  return WeightState::gather(gradient, trainable);
}

}  // namespace

Shape check_conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& o) {
  const Shape& x = input.shape();
  const Shape& w = weight.shape();
  COPPICE_CHECK(x.rank() == 4, "[conv2d] expects an input (n, c, h, w); got ", x, "; add dimensions with unsqueeze");
  COPPICE_CHECK(w.rank() == 4, "[conv2d] expects a weight (m, c / groups, kh, kw); got ", w);
  COPPICE_CHECK(o.groups >= 1 && x[1] % o.groups == 0 && w[0] % o.groups == 0, "[conv2d] groups=", o.groups,
                " must divide the channels of input and weight: input ", x, ", weight ", w);
  COPPICE_CHECK(w[1] * o.groups == x[1], "[conv2d] input has ", x[1], " channels but weight expects ", w[1] * o.groups,
                " (groups=", o.groups, "): input ", x, ", weight ", w);
  COPPICE_CHECK(w[2] >= 1 && w[3] >= 1, "[conv2d] expects a kernel of at least 1 × 1; got weight ", w);
  for (std::size_t axis = 0; axis < 2; ++axis) {
    COPPICE_CHECK(o.stride[axis] >= 1 && o.dilation[axis] >= 1 && o.padding[axis] >= 0,
                  "[conv2d] expects stride and dilation of at least 1 and padding of at least 0; got stride (",
                  o.stride[0], ", ", o.stride[1], "), dilation (", o.dilation[0], ", ", o.dilation[1], "), padding (",
                  o.padding[0], ", ", o.padding[1], ")");
  }
  const Shape output{x[0], w[0], output_size(x[2], w[2], o, 0), output_size(x[3], w[3], o, 1)};
  COPPICE_CHECK(output[2] > 0 && output[3] > 0, "[conv2d] the dilated kernel (", o.dilation[0] * (w[2] - 1) + 1, ", ",
                o.dilation[1] * (w[3] - 1) + 1, ") is larger than the padded input (", x[2] + 2 * o.padding[0], ", ",
                x[3] + 2 * o.padding[1], "): input ", x, ", weight ", w);
  COPPICE_CHECK(is_floating(input.dtype()) && input.dtype() == weight.dtype(),
                "[conv2d] expects input and weight of one floating dtype; got ", input.dtype(), " and ",
                weight.dtype());
  COPPICE_CHECK(input.device() == weight.device(), "[conv2d] expects input and weight on one device; got ",
                input.device(), " and ", weight.device());
  if (bias.defined()) {
    COPPICE_CHECK(bias.shape() == Shape{w[0]}, "[conv2d] expects a bias (", w[0], "); got ", bias.shape(),
                  " for weight ", w);
    COPPICE_CHECK(bias.dtype() == input.dtype(), "[conv2d] expects a bias of dtype ", input.dtype(), "; got ",
                  bias.dtype());
  }
  return output;
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  const Shape output_shape = check_conv2d(input, weight, bias, options);
  const Tensor output = raw_conv2d(input, weight, bias, output_shape, options);
  auto backward = [options](const Saved& saved, const Tensor& d_output) {
    const Tensor x = saved[0];
    const Tensor w = saved[1];
    Gradients result(3);
    if (saved.needs(0)) result[0] = data_gradient(d_output, w, x.shape(), options);
    if (saved.needs(1)) result[1] = asked_weight_gradient(d_output, x, w, options);
    if (saved.needs(2)) result[2] = sum(d_output, {0, 2, 3});
    return result;
  };
  if (weight.is_masked()) return record_once("conv2d", output, {input, weight, bias}, {input, weight}, backward);
  return record("conv2d", output, {input, weight, bias}, {input, weight}, backward);
}

}  // namespace coppice
