#include <coppice/ops/linear.h>

#include <coppice/autograd/record.h>
#include <coppice/core/flops.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/linear_candidates.h>
#include <coppice/ops/matmul.h>
#include <coppice/ops/reduce.h>

namespace coppice {

namespace {

/// A tensor (…, size) as a contiguous matrix (samples, size) without history.
Tensor raw_matrix(const Tensor& tensor) {
  const Tensor dense = detail::raw_contiguous(tensor);
  const std::int64_t columns = tensor.shape().back();
  std::int64_t samples = 1;
  for (int i = 0; i + 1 < tensor.dim(); ++i) samples *= tensor.size(i);
  const Shape shape{samples, columns};
  return detail::make_view(dense.impl()->storage, shape, contiguous_strides(shape), dense.storage_offset(),
                           dense.dtype());
}

/// A matrix's elements under another shape; both contiguous.
Tensor raw_reshape(const Tensor& matrix, const Shape& shape) {
  return detail::make_view(matrix.impl()->storage, shape, contiguous_strides(shape), matrix.storage_offset(),
                           matrix.dtype());
}

/// Reports one pass: what it costs dense, and for the weights it is run for.
void count(FlopPhase phase, std::int64_t samples, const Shape& weight, std::int64_t weights) {
  const double per_weight = 2.0 * static_cast<double>(samples);
  count_flops(phase, per_weight * static_cast<double>(weight.numel()), per_weight * static_cast<double>(weights));
}

/// Both gradients by recorded products, so that they can be differentiated again.
Gradients dense_backward(const Saved& saved, const Tensor& d_output, std::int64_t samples, const Shape& input_shape,
                         const Shape& weight_shape) {
  Gradients result(3);
  const Tensor d_y = d_output.reshape({samples, weight_shape[0]});
  if (saved.needs(0)) {
    count(FlopPhase::DataGradient, samples, weight_shape, weight_shape.numel());
    result[0] = matmul(d_y, saved[1]).reshape(input_shape);
  }
  if (saved.needs(1)) {
    count(FlopPhase::WeightGradient, samples, weight_shape, weight_shape.numel());
    result[1] = matmul(d_y.t(), saved[0].reshape({samples, weight_shape[1]}));
  }
  if (saved.needs(2)) result[2] = sum(d_y, {0});
  return result;
}

/// The weight gradient in the form the weight asks for.
Tensor masked_weight_gradient(const WeightState& weight, const Tensor& x, const Tensor& d_y) {
  const std::int64_t samples = x.size(0);
  switch (weight.gradient_kind()) {
    case GradientKind::None: count(FlopPhase::WeightGradient, samples, weight.shape(), 0); return {};
    case GradientKind::Dense:
      count(FlopPhase::WeightGradient, samples, weight.shape(), weight.shape().numel());
      return dense_weight_gradient(d_y, x);
    case GradientKind::Trainable: break;
  }
  count(FlopPhase::WeightGradient, samples, weight.shape(), weight.trainable().count());
  return run_linear(FlopPhase::WeightGradient, weight, {.x = x, .y = d_y});
}

Gradients masked_backward(const Saved& saved, const Tensor& d_output, const Shape& input_shape) {
  Gradients result(3);
  const Tensor d_y = raw_matrix(d_output);
  if (saved.needs(0) || saved.needs(1)) {
    const Tensor weight = saved[1];
    const WeightState& state = weight.weight_state();
    if (saved.needs(0)) {
      count(FlopPhase::DataGradient, d_y.size(0), state.shape(), state.alive().count());
      result[0] = raw_reshape(run_linear(FlopPhase::DataGradient, state, {.x = {}, .y = d_y}), input_shape);
    }
    if (saved.needs(1)) result[1] = masked_weight_gradient(state, raw_matrix(saved[0]), d_y);
  }
  if (saved.needs(2)) result[2] = sum(d_y, {0});
  return result;
}

}  // namespace

Shape check_linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const Shape& x = input.shape();
  const Shape& w = weight.shape();
  COPPICE_CHECK(w.rank() == 2, "[linear] expects a weight (outputs, inputs); got ", w);
  COPPICE_CHECK(x.rank() >= 1, "[linear] expects an input (…, ", w[1], "); got a scalar; use reshape({1, -1})");
  COPPICE_CHECK(x.back() == w[1], "[linear] input has ", x.back(), " features but weight expects ", w[1], ": input ", x,
                ", weight ", w);
  COPPICE_CHECK(!bias.defined() || bias.shape() == Shape{w[0]}, "[linear] expects a bias (", w[0], "); got ",
                bias.defined() ? bias.shape() : Shape{}, " for weight ", w);
  COPPICE_CHECK(input.dtype() == weight.dtype() && (!bias.defined() || bias.dtype() == weight.dtype()),
                "[linear] expects one dtype; got input ", input.dtype(), ", weight ", weight.dtype(), ", bias ",
                bias.defined() ? bias.dtype() : weight.dtype(), "; cast with to(…)");
  COPPICE_CHECK(is_floating(input.dtype()), "[linear] expects float32 or float64; got ", input.dtype(),
                "; cast with to(kFloat32)");
  COPPICE_CHECK(input.layout() == Layout::Strided, "[linear] expects a dense input; got ", input.layout());
  Shape output = x;
  output[-1] = w[0];
  return output;
}

Tensor linear(const Tensor& input, const Tensor& weight, const Tensor& bias) {
  const Shape output_shape = check_linear(input, weight, bias);
  const Tensor x = raw_matrix(input);
  const Tensor raw_bias = bias.defined() ? detail::raw_contiguous(bias) : Tensor();
  if (!weight.is_masked()) {
    count(FlopPhase::Forward, x.size(0), weight.shape(), weight.numel());
    const Tensor output =
        raw_reshape(dense_product(x, detail::raw_contiguous(weight), weight.size(0), raw_bias), output_shape);
    return record("linear", output, {input, weight, bias},
                  {detail::has_grad(weight) ? input : Tensor(), detail::has_grad(input) ? weight : Tensor()},
                  [samples = x.size(0), input_shape = input.shape(), weight_shape = weight.shape()](
                      const Saved& saved, const Tensor& d_output) {
                    return dense_backward(saved, d_output, samples, input_shape, weight_shape);
                  });
  }
  const WeightState& state = weight.weight_state();
  count(FlopPhase::Forward, x.size(0), state.shape(), state.alive().count());
  const Tensor y = run_linear(FlopPhase::Forward, state, {.x = x, .y = {}, .bias = raw_bias});
  return record_once("linear", raw_reshape(y, output_shape), {input, weight, bias},
                     {detail::has_grad(weight) ? input : Tensor(), weight},
                     [input_shape = input.shape()](const Saved& saved, const Tensor& d_output) {
                       return masked_backward(saved, d_output, input_shape);
                     });
}

}  // namespace coppice
