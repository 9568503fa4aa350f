#include <coppice/ops/batch_norm.h>

#include <cmath>
#include <vector>

#include <coppice/autograd/record.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/cpu/batch_norm.h>
#include <coppice/ops/cpu/blocked_batch_norm.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>

namespace coppice {

namespace {

using cpu::BatchNormGeometry;
using Channels = std::vector<double>;

BatchNormGeometry geometry_of(const Shape& shape) {
  const std::int64_t planes = shape[0] * shape[1];
  std::int64_t inner = 1;
  for (int d = 2; d < shape.rank(); ++d) inner *= shape[d];
  return {.batch = planes == 0 ? 0 : shape[0], .channels = shape[1], .inner = inner};
}

void check_channels(const Tensor& tensor, const char* name, const Tensor& input) {
  if (!tensor.defined()) return;
  COPPICE_CHECK(tensor.shape() == Shape{input.size(1)} && tensor.dtype() == input.dtype(), "[batch_norm] expects ",
                name, " (", input.size(1), ") of ", input.dtype(), "; got ", tensor.shape(), " of ", tensor.dtype(),
                " for input ", input.shape());
}

BatchNormGeometry check_batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias,
                                   const Tensor& running_mean, const Tensor& running_var,
                                   const BatchNormOptions& options) {
  COPPICE_CHECK(input.dim() >= 2, "[batch_norm] expects an input (n, c, …); got ", input.shape());
  COPPICE_CHECK(is_floating(input.dtype()), "[batch_norm] expects a floating dtype; got ", input.dtype(), " ",
                input.shape());
  check_channels(weight, "weight", input);
  check_channels(bias, "bias", input);
  check_channels(running_mean, "running_mean", input);
  check_channels(running_var, "running_var", input);
  COPPICE_CHECK(running_mean.defined() == running_var.defined(),
                "[batch_norm] expects both running statistics or neither; got one");
  COPPICE_CHECK(options.statistics == BatchNormStatistics::Batch || running_mean.defined(),
                "[batch_norm] running statistics are asked for; got none");
  const BatchNormGeometry geometry = geometry_of(input.shape());
  COPPICE_CHECK(options.statistics == BatchNormStatistics::Running || geometry.count() != 1,
                "[batch_norm] batch statistics need more than 1 value per channel; got input ", input.shape());
  return geometry;
}

/// A channel vector as f64; `missing` where it is undefined.
Channels channel_values(const Tensor& tensor, std::int64_t channels, double missing) {
  return tensor.defined() ? tensor.to_vector<double>() : Channels(static_cast<std::size_t>(channels), missing);
}

template <class T>
Tensor channel_tensor(const Channels& values) {
  const Tensor result = Tensor::empty({static_cast<std::int64_t>(values.size())}, {.dtype = dtype_of<T>()});
  for (std::size_t c = 0; c < values.size(); ++c) result.data<T>()[c] = static_cast<T>(values[c]);
  return result;
}

/// running ← (1 − momentum) · running + momentum · factor · batch
void move_towards(const Tensor& running, const Channels& batch, double factor, double momentum) {
  Channels moved = running.to_vector<double>();
  for (std::size_t c = 0; c < moved.size(); ++c) {
    moved[c] = (1.0 - momentum) * moved[c] + momentum * factor * batch[c];
  }
  detail::copy_into(running, Tensor::of(moved));
}

/// What backward keeps besides tensors.
struct Normalization {
  BatchNormGeometry geometry{};
  Channels mean;
  Channels inverse_deviation;
  bool of_batch = false;  // the statistics depend on the input
};

/// The statistics that `options` asks for, after moving the running ones; batch_statistics(mean, variance) takes those
/// of the batch.
template <class Compute>
Normalization find_statistics(const BatchNormGeometry& g, const Tensor& running_mean, const Tensor& running_var,
                              const BatchNormOptions& options, Compute batch_statistics) {
  const auto channels = static_cast<std::size_t>(g.channels);
  const bool of_batch = options.statistics == BatchNormStatistics::Batch;
  const bool update = options.running == BatchNormRunning::Update && running_mean.defined() && g.count() > 1;
  Channels batch_mean(channels), batch_variance(channels);
  if (g.count() > 0 && (of_batch || update)) batch_statistics(batch_mean.data(), batch_variance.data());
  Normalization norm{.geometry = g,
                     .mean = of_batch ? batch_mean : running_mean.to_vector<double>(),
                     .inverse_deviation = Channels(channels),
                     .of_batch = of_batch};
  const Channels variance = of_batch ? batch_variance : running_var.to_vector<double>();
  for (std::size_t c = 0; c < channels; ++c) norm.inverse_deviation[c] = 1.0 / std::sqrt(variance[c] + options.eps);
  if (update) {
    const auto count = static_cast<double>(g.count());
    move_towards(running_mean, batch_mean, 1.0, options.momentum);
    move_towards(running_var, batch_variance, count / (count - 1.0), options.momentum);
  }
  return norm;
}

Channels scale_of(const Normalization& norm, const Tensor& weight) {
  Channels scale = channel_values(weight, norm.geometry.channels, 1.0);
  for (std::size_t c = 0; c < scale.size(); ++c) scale[c] *= norm.inverse_deviation[c];
  return scale;
}

/// d_input = a · d_output + b · (input − mean) + c.
struct InputGradient {
  Channels a, b, c;
};

/// x̂ = (x − mean) · inverse_deviation; dx = w · i · (dy − mean(dy) − x̂ · mean(dy · x̂)).
InputGradient input_gradient(const Normalization& norm, const Tensor& weight, const Channels& sum,
                             const Channels& dot) {
  InputGradient result{.a = scale_of(norm, weight), .b = Channels(sum.size()), .c = Channels(sum.size())};
  if (!norm.of_batch) return result;
  const auto count = static_cast<double>(norm.geometry.count());
  for (std::size_t k = 0; k < sum.size(); ++k) {
    const double inverse = norm.inverse_deviation[k];
    result.b[k] = -result.a[k] * inverse * inverse * dot[k] / count;
    result.c[k] = -result.a[k] * sum[k] / count;
  }
  return result;
}

template <class T>
void add_parameter_gradients(const Normalization& norm, const Saved& saved, const Channels& sum, Channels dot,
                             Gradients& result) {
  if (saved.needs(1)) {
    for (std::size_t k = 0; k < dot.size(); ++k) dot[k] *= norm.inverse_deviation[k];
    result[1] = channel_tensor<T>(dot);
  }
  if (saved.needs(2)) result[2] = channel_tensor<T>(sum);
}

bool needs_sums(const Normalization& norm, const Saved& saved) {
  return norm.of_batch || saved.needs(1) || saved.needs(2);
}

template <class T>
Gradients gradients(const Normalization& norm, const Saved& saved, const Tensor& d_output) {
  const BatchNormGeometry& g = norm.geometry;
  const Tensor x = detail::raw_contiguous(saved[0]);
  const Tensor dy = detail::raw_contiguous(d_output);
  Channels sum(static_cast<std::size_t>(g.channels)), dot(sum.size());
  if (needs_sums(norm, saved)) {
    cpu::batch_norm_sums(g, dy.data<T>(), x.data<T>(), norm.mean.data(), sum.data(), dot.data());
  }
  Gradients result(3);
  if (saved.needs(0)) {
    const InputGradient of = input_gradient(norm, saved[1], sum, dot);
    result[0] = Tensor::empty(x.shape(), {.dtype = x.dtype()});
    cpu::batch_norm_data_gradient(g, dy.data<T>(), x.data<T>(), norm.mean.data(), of.a.data(), of.b.data(), of.c.data(),
                                  result[0].data<T>());
  }
  add_parameter_gradients<T>(norm, saved, sum, std::move(dot), result);
  return result;
}

cpu::BlockedImages images_of(const Shape& shape) {
  return {.images = shape[0], .channels = shape[1], .height = shape[2], .width = shape[3]};
}

/// Saved tensor 2, the ReLU's bits, is undefined without ReLU; input 3 is the residual.
template <class T>
Gradients blocked_gradients(const Normalization& norm, const Saved& saved, const Tensor& d_output) {
  const Tensor x = saved[0], positive = saved[2];
  const cpu::BlockedImages g = images_of(x.shape());
  const Tensor dy = detail::in_format(d_output, MemoryFormat::Blocked);
  const std::uint8_t* bits = positive.defined() ? positive.data<std::uint8_t>() : nullptr;
  const T* incoming = detail::blocked_data<T>(dy);
  const T* input = detail::blocked_data<T>(x);
  Channels sum(static_cast<std::size_t>(g.channels)), dot(sum.size());
  Gradients result(4);
  Tensor gated;
  if (saved.needs(3)) gated = bits != nullptr ? detail::empty_blocked(x.shape(), x.dtype()) : dy;
  const bool writes_gated = gated.defined() && bits != nullptr;
  if (needs_sums(norm, saved) || writes_gated) {
    cpu::blocked_batch_norm_sums(g, incoming, input, norm.mean.data(), bits, sum.data(), dot.data(),
                                 writes_gated ? detail::blocked_data<T>(gated) : nullptr);
  }
  if (writes_gated) {
    incoming = detail::blocked_data<T>(gated);
    bits = nullptr;
  }
  if (saved.needs(0)) {
    const InputGradient of = input_gradient(norm, saved[1], sum, dot);
    result[0] = detail::empty_blocked(x.shape(), x.dtype());
    cpu::blocked_batch_norm_data_gradient(g, incoming, input, norm.mean.data(), of.a.data(), of.b.data(), of.c.data(),
                                          bits, detail::blocked_data<T>(result[0]));
  }
  result[3] = gated;
  add_parameter_gradients<T>(norm, saved, sum, std::move(dot), result);
  return result;
}

Tensor blocked_batch_norm(const char* op, const Tensor& input, const Tensor& weight, const Tensor& bias,
                          const Tensor& running_mean, const Tensor& running_var, const BatchNormOptions& options,
                          bool with_relu, const Tensor& residual) {
  const BatchNormGeometry g = check_batch_norm(input, weight, bias, running_mean, running_var, options);
  const cpu::BlockedImages images = images_of(input.shape());
  const Tensor output = detail::empty_blocked(input.shape(), input.dtype());
  const Tensor addend = residual.defined() ? detail::in_format(residual, MemoryFormat::Blocked) : Tensor();
  Tensor positive;
  Normalization norm;
  dispatch_floating(input.dtype(), op, [&]<class T>() {
    const T* const x = detail::blocked_data<T>(input);
    norm = find_statistics(g, running_mean, running_var, options,
                           [&](double* mean, double* variance) { cpu::blocked_statistics(images, x, mean, variance); });
    const Channels scale = scale_of(norm, weight), shift = channel_values(bias, g.channels, 0.0);
    if (with_relu) {
      const std::int64_t vectors = detail::blocked_size(input) / image_block(input.dtype());
      positive = Tensor::empty({vectors * cpu::positive_bytes<T>()}, {.dtype = kUInt8});
    }
    cpu::blocked_normalize(images, x, norm.mean.data(), scale.data(), shift.data(),
                           addend.defined() ? detail::blocked_data<T>(addend) : nullptr,
                           with_relu ? positive.data<std::uint8_t>() : nullptr, detail::blocked_data<T>(output));
  });
  return record_once(op, output, {input, weight, bias, residual}, {input, weight, positive},
                     [norm = std::move(norm)](const Saved& saved, const Tensor& d_output) {
                       Gradients result;
                       dispatch_floating(d_output.dtype(), "batch_norm",
                                         [&]<class T>() { result = blocked_gradients<T>(norm, saved, d_output); });
                       return result;
                     });
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  if (detail::is_blocked(input)) {
    return blocked_batch_norm("batch_norm", input, weight, bias, running_mean, running_var, options, false, {});
  }
  const BatchNormGeometry g = check_batch_norm(input, weight, bias, running_mean, running_var, options);
  const Tensor x = detail::raw_contiguous(input);
  const Tensor output = Tensor::empty(input.shape(), {.dtype = input.dtype()});
  Normalization norm;
  dispatch_floating(input.dtype(), "batch_norm", [&]<class T>() {
    norm = find_statistics(g, running_mean, running_var, options, [&](double* mean, double* variance) {
      cpu::batch_statistics(g, x.data<T>(), mean, variance);
    });
    const Channels scale = scale_of(norm, weight), shift = channel_values(bias, g.channels, 0.0);
    cpu::normalize_channels(g, x.data<T>(), norm.mean.data(), scale.data(), shift.data(), output.data<T>());
  });
  return record_once("batch_norm", output, {input, weight, bias}, {input, weight},
                     [norm = std::move(norm)](const Saved& saved, const Tensor& d_output) {
                       Gradients result;
                       dispatch_floating(d_output.dtype(), "batch_norm",
                                         [&]<class T>() { result = gradients<T>(norm, saved, d_output); });
                       return result;
                     });
}

Tensor batch_norm_relu(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                       const Tensor& running_var, const BatchNormOptions& options, const Tensor& residual) {
  COPPICE_CHECK(!residual.defined() || (residual.shape() == input.shape() && residual.dtype() == input.dtype()),
                "[batch_norm_relu] expects a residual like the input ", input.dtype(), " ", input.shape(), "; got ",
                residual.dtype(), " ", residual.shape());
  if (detail::is_blocked(input)) {
    return blocked_batch_norm("batch_norm_relu", input, weight, bias, running_mean, running_var, options, true,
                              residual);
  }
  const Tensor normalized = batch_norm(input, weight, bias, running_mean, running_var, options);
  return relu(residual.defined() ? normalized + residual : normalized);
}

}  // namespace coppice
