#include <coppice/ops/batch_norm.h>

#include <cmath>
#include <vector>

#include <coppice/autograd/record.h>
#include <coppice/ops/cpu/batch_norm.h>

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
  BatchNormGeometry geometry;
  Channels mean;
  Channels inverse_deviation;
  bool of_batch;  // the statistics depend on the input
};

template <class T>
Gradients gradients(const Normalization& norm, const Saved& saved, const Tensor& d_output) {
  const BatchNormGeometry& g = norm.geometry;
  const auto channels = static_cast<std::size_t>(g.channels);
  const Tensor x = detail::raw_contiguous(saved[0]);
  const Tensor dy = detail::raw_contiguous(d_output);
  const Channels weight = channel_values(saved[1], g.channels, 1.0);
  Channels sum(channels), dot(channels);
  if (norm.of_batch || saved.needs(1) || saved.needs(2)) {
    cpu::batch_norm_sums(g, dy.data<T>(), x.data<T>(), norm.mean.data(), sum.data(), dot.data());
  }
  Gradients result(3);
  if (saved.needs(0)) {
    // x̂ = (x − mean) · inverse_deviation; dx = w · i · (dy − mean(dy) − x̂ · mean(dy · x̂)).
    Channels a(channels), b(channels), c(channels);
    for (std::size_t k = 0; k < channels; ++k) {
      const double inverse = norm.inverse_deviation[k];
      a[k] = weight[k] * inverse;
      if (!norm.of_batch) continue;
      b[k] = -a[k] * inverse * inverse * dot[k] / static_cast<double>(g.count());
      c[k] = -a[k] * sum[k] / static_cast<double>(g.count());
    }
    result[0] = Tensor::empty(x.shape(), {.dtype = x.dtype()});
    cpu::batch_norm_data_gradient(g, dy.data<T>(), x.data<T>(), norm.mean.data(), a.data(), b.data(), c.data(),
                                  result[0].data<T>());
  }
  if (saved.needs(1)) {
    for (std::size_t k = 0; k < channels; ++k) dot[k] *= norm.inverse_deviation[k];
    result[1] = channel_tensor<T>(dot);
  }
  if (saved.needs(2)) result[2] = channel_tensor<T>(sum);
  return result;
}

}  // namespace

Tensor batch_norm(const Tensor& input, const Tensor& weight, const Tensor& bias, const Tensor& running_mean,
                  const Tensor& running_var, const BatchNormOptions& options) {
  const BatchNormGeometry g = check_batch_norm(input, weight, bias, running_mean, running_var, options);
  const auto channels = static_cast<std::size_t>(g.channels);
  const bool of_batch = options.statistics == BatchNormStatistics::Batch;
  const bool update = options.running == BatchNormRunning::Update && running_mean.defined() && g.count() > 1;
  const Tensor x = detail::raw_contiguous(input);
  const Tensor output = Tensor::empty(input.shape(), {.dtype = input.dtype()});

  Normalization norm{.geometry = g, .mean = {}, .inverse_deviation = Channels(channels), .of_batch = of_batch};
  dispatch_floating(input.dtype(), "batch_norm", [&]<class T>() {
    Channels batch_mean(channels), batch_variance(channels);
    if (g.count() > 0 && (of_batch || update)) {
      cpu::batch_statistics(g, x.data<T>(), batch_mean.data(), batch_variance.data());
    }
    norm.mean = of_batch ? batch_mean : running_mean.to_vector<double>();
    const Channels variance = of_batch ? batch_variance : running_var.to_vector<double>();
    Channels scale = channel_values(weight, g.channels, 1.0);
    const Channels shift = channel_values(bias, g.channels, 0.0);
    for (std::size_t c = 0; c < channels; ++c) {
      norm.inverse_deviation[c] = 1.0 / std::sqrt(variance[c] + options.eps);
      scale[c] *= norm.inverse_deviation[c];
    }
    cpu::normalize_channels(g, x.data<T>(), norm.mean.data(), scale.data(), shift.data(), output.data<T>());
    if (update) {
      const auto count = static_cast<double>(g.count());
      move_towards(running_mean, batch_mean, 1.0, options.momentum);
      move_towards(running_var, batch_variance, count / (count - 1.0), options.momentum);
    }
  });
  return record_once("batch_norm", output, {input, weight, bias}, {input, weight},
                     [norm = std::move(norm)](const Saved& saved, const Tensor& d_output) {
                       Gradients result;
                       dispatch_floating(d_output.dtype(), "batch_norm",
                                         [&]<class T>() { result = gradients<T>(norm, saved, d_output); });
                       return result;
                     });
}

}  // namespace coppice
