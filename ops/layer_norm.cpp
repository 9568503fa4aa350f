#include <coppice/ops/layer_norm.h>

#include <coppice/autograd/record.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/row_norm.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/reduce.h>

namespace coppice {
namespace {

void check_norm(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& wanted) {
  const TensorImpl& x = detail::require_strided(input, op);
  COPPICE_CHECK(x.dtype == kFloat32 || x.dtype == kFloat64, "[", op, "] expects float32 or float64; got ", x.dtype, " ",
                x.shape, "; cast with to(kFloat32)");
  COPPICE_CHECK(x.device.is_cpu(), "[", op, "] has no kernel for ", x.device, "; copy with to(kCpu)");
  for (const Tensor* parameter : {&weight, &bias}) {
    if (!parameter->defined()) continue;
    COPPICE_CHECK(parameter->shape() == wanted && parameter->dtype() == x.dtype, "[", op, "] expects weight and bias ",
                  x.dtype, " ", wanted, "; got ", parameter->dtype(), " ", parameter->shape(), " for input ", x.shape);
  }
}

Tensor raw_or_none(const Tensor& tensor) { return tensor.defined() ? detail::raw_contiguous(tensor) : Tensor(); }
void* data_or_null(const Tensor& tensor) { return tensor.defined() ? tensor.raw_data() : nullptr; }

/// The gradients by recorded operations on rows (rows / period, period, channels, inner), so that they can be
/// differentiated again.
Gradients recorded_backward(const Saved& saved, const Tensor& d_output, const cpu::RowNormGeometry& g, double eps,
                            const Shape& parameter_shape) {
  const Shape rows{g.rows / g.period, g.period, g.channels, g.inner};
  const Tensor input = saved[0], x = input.reshape(rows), dy = d_output.reshape(rows), weight = saved[1];
  const Tensor centred = x - mean(x, {2, 3}, true);
  const Tensor rstd = pow(mean(centred * centred, {2, 3}, true) + eps, -0.5);
  const Tensor normal = centred * rstd;
  Gradients gradients(3);
  if (saved.needs(0)) {
    const Tensor d = weight.defined() ? dy * weight.reshape({1, g.period, g.channels, 1}) : dy;
    const Tensor d_x = (d - mean(d, {2, 3}, true) - normal * mean(d * normal, {2, 3}, true)) * rstd;
    gradients[0] = d_x.reshape(input.shape());
  }
  if (saved.needs(1)) gradients[1] = sum(dy * normal, {0, 3}).reshape(parameter_shape);
  if (saved.needs(2)) gradients[2] = sum(dy, {0, 3}).reshape(parameter_shape);
  return gradients;
}

Gradients raw_backward(const Saved& saved, const Tensor& d_output, const cpu::RowNormGeometry& g,
                       const Shape& parameter_shape) {
  const Tensor input = saved[0];
  const TensorOptions options{.dtype = input.dtype()};
  Gradients gradients(3);
  if (saved.needs(0)) gradients[0] = Tensor::empty(input.shape(), options);
  if (saved.needs(1)) gradients[1] = Tensor::empty(parameter_shape, options);
  if (saved.needs(2)) gradients[2] = Tensor::empty(parameter_shape, options);
  const Tensor x = detail::raw_contiguous(input), weight = raw_or_none(saved[1]);
  cpu::row_norm_backward(input.dtype(), g, x.raw_data(), data_or_null(weight), saved[2].raw_data(), saved[3].raw_data(),
                         detail::raw_contiguous(d_output).raw_data(), data_or_null(gradients[0]),
                         data_or_null(gradients[1]), data_or_null(gradients[2]));
  return gradients;
}

/// The result and what each row was normalised by.
struct Normalized {
  Tensor output, mean, rstd;
};

Normalized normalize_rows(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias, double eps,
                          const cpu::RowNormGeometry& g) {
  const TensorOptions options{.dtype = input.dtype()};
  Normalized result{.output = Tensor::empty(input.shape(), options),
                    .mean = Tensor::empty({g.rows}, options),
                    .rstd = Tensor::empty({g.rows}, options)};
  const Tensor x = detail::raw_contiguous(input), w = raw_or_none(weight), b = raw_or_none(bias);
  cpu::row_norm(input.dtype(), g, eps, x.raw_data(), data_or_null(w), data_or_null(b), result.output.raw_data(),
                result.mean.raw_data(), result.rstd.raw_data());
  const Shape parameter_shape = weight.defined() ? weight.shape() : bias.defined() ? bias.shape() : Shape{};
  result.output = record(op, result.output, {input, weight, bias}, {input, weight, result.mean, result.rstd},
                         [g, eps, parameter_shape](const Saved& saved, const Tensor& d_output) {
                           return grad_enabled() ? recorded_backward(saved, d_output, g, eps, parameter_shape)
                                                 : raw_backward(saved, d_output, g, parameter_shape);
                         });
  return result;
}

cpu::RowNormGeometry group_geometry(const Shape& x, std::int64_t groups) {
  std::int64_t inner = 1;
  for (int i = 2; i < x.rank(); ++i) inner *= x[i];
  return {.rows = x[0] * groups, .channels = x[1] / groups, .inner = inner, .period = groups};
}

/// running = (1 − momentum) · running + momentum · the average of (n, c) values over n.
void update_running(const Tensor& running, const Tensor& values, double momentum) {
  detail::copy_into(running, running.detach() * (1.0 - momentum) + mean(values, {0}).to(running.dtype()) * momentum);
}

Tensor by_channel(const Tensor& parameter, int rank) {
  Dims sizes{1, parameter.numel()};
  while (sizes.rank() < rank) sizes.push_back(1);
  return parameter.reshape(sizes);
}

}  // namespace

Tensor layer_norm(const Tensor& input, const Shape& normalized_shape, const Tensor& weight, const Tensor& bias,
                  LayerNormOptions options) {
  check_norm("layer_norm", input, weight, bias, normalized_shape);
  const Shape& x = input.shape();
  const int kept = x.rank() - normalized_shape.rank();
  bool fits = kept >= 0 && !normalized_shape.empty();
  for (int i = 0; fits && i < normalized_shape.rank(); ++i) fits = x[kept + i] == normalized_shape[i];
  COPPICE_CHECK(fits, "[layer_norm] expects an input whose last dimensions are ", normalized_shape, "; got ", x);
  const std::int64_t columns = normalized_shape.numel();
  std::int64_t rows = 1;
  for (int i = 0; i < kept; ++i) rows *= x[i];
  const cpu::RowNormGeometry geometry{.rows = rows, .channels = columns, .inner = 1, .period = 1};
  return normalize_rows("layer_norm", input, weight, bias, options.eps, geometry).output;
}

Tensor group_norm(const Tensor& input, std::int64_t num_groups, const Tensor& weight, const Tensor& bias,
                  GroupNormOptions options) {
  const Shape& x = input.shape();
  COPPICE_CHECK(x.rank() >= 2, "[group_norm] expects an input (n, c, …); got ", x);
  COPPICE_CHECK(num_groups >= 1 && x[1] % num_groups == 0, "[group_norm] num_groups=", num_groups,
                " must divide the channels; got input ", x);
  check_norm("group_norm", input, weight, bias, {x[1]});
  return normalize_rows("group_norm", input, weight, bias, options.eps, group_geometry(x, num_groups)).output;
}

Tensor instance_norm(const Tensor& input, const Tensor& running_mean, const Tensor& running_var, const Tensor& weight,
                     const Tensor& bias, InstanceNormOptions options) {
  const Shape& x = input.shape();
  COPPICE_CHECK(x.rank() >= 2, "[instance_norm] expects an input (n, c, …); got ", x);
  check_norm("instance_norm", input, weight, bias, {x[1]});
  COPPICE_CHECK(running_mean.defined() == running_var.defined(),
                "[instance_norm] expects both running statistics or none");
  if (running_mean.defined()) check_norm("instance_norm", input, running_mean, running_var, {x[1]});
  if (!options.use_input_stats) {
    COPPICE_CHECK(running_mean.defined(), "[instance_norm] without input statistics expects running ones");
    const int rank = x.rank();
    Tensor output = (input - by_channel(running_mean, rank)) * pow(by_channel(running_var, rank) + options.eps, -0.5);
    if (weight.defined()) output = output * by_channel(weight, rank);
    return bias.defined() ? output + by_channel(bias, rank) : output;
  }
  const cpu::RowNormGeometry geometry = group_geometry(x, x[1]);
  COPPICE_CHECK(geometry.inner > 1, "[instance_norm] expects more than one element per channel; got input ", x);
  const Normalized result = normalize_rows("instance_norm", input, weight, bias, options.eps, geometry);
  if (running_mean.defined() && x[0] > 0) {
    const NoGrad no_grad;
    const Shape channels{x[0], x[1]};
    const auto count = static_cast<double>(geometry.inner);
    const Tensor variance = pow(result.rstd.reshape(channels), -2.0) - options.eps;
    update_running(running_mean, result.mean.reshape(channels), options.momentum);
    update_running(running_var, variance * (count / (count - 1.0)), options.momentum);
  }
  return result.output;
}

}  // namespace coppice
