#include <coppice/ops/conv2d.h>

#include <coppice/autograd/record.h>
#include <coppice/core/flops.h>
#include <coppice/core/mask.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/activation.h>
#include <coppice/ops/conv2d_candidates.h>
#include <coppice/ops/conv2d_gradient.h>
#include <coppice/ops/cpu/elementwise.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/memory_format.h>
#include <coppice/ops/packed_filters.h>
#include <coppice/ops/reduce.h>

namespace coppice {

namespace {

std::int64_t output_size(std::int64_t size, std::int64_t kernel, const Conv2dOptions& o, std::size_t axis) {
  const std::int64_t room = size + 2 * o.padding[axis] - o.dilation[axis] * (kernel - 1) - 1;
  return room < 0 ? 0 : room / o.stride[axis] + 1;
}

double flops(const Conv2dProblem& problem, std::int64_t weights) {
  return 2.0 * static_cast<double>(problem.output[0] * problem.output[2] * problem.output[3]) *
         static_cast<double>(weights);
}

std::int64_t alive_count(const Tensor& weight) {
  return weight.is_masked() ? weight.weight_state().alive().count() : weight.numel();
}

/// The problem of a pass whose images are in the format of `images`.
Conv2dProblem problem_of(FlopPhase phase, const Tensor& images, const Shape& input, const Tensor& weight,
                         const Shape& weight_shape, const Shape& output, const Conv2dOptions& options) {
  return {.phase = phase,
          .input = input,
          .weight = weight_shape,
          .output = output,
          .options = options,
          .dtype = images.dtype(),
          .format = images.memory_format(),
          .sparse = weight.defined() && weight.is_masked() ? &weight.weight_state() : nullptr};
}

Tensor dense_or_none(const Tensor& weight) { return weight.is_masked() ? Tensor() : detail::raw_contiguous(weight); }

template <class T>
T* elements(const Tensor& images) {
  return detail::is_blocked(images) ? detail::blocked_data<T>(images) : images.data<T>();
}

/// output = max(output + residual, 0), both in one format; NaN stays.
void add_relu(const Tensor& output, const Tensor& residual) {
  const std::int64_t count = detail::is_blocked(output) ? detail::blocked_size(output) : output.numel();
  dispatch_floating(output.dtype(), "conv2d_relu", [&]<class T>() {
    T* const y = elements<T>(output);
    const T* const addend = residual.defined() ? elements<T>(residual) : nullptr;
    parallel_for(0, count, cpu::kElementwiseGrain, [&](std::int64_t first, std::int64_t last) {
      if (addend != nullptr) {
        for (std::int64_t i = first; i < last; ++i) y[i] += addend[i];
      }
      for (std::int64_t i = first; i < last; ++i) y[i] = y[i] < T(0) ? T(0) : y[i];
    });
  });
}

/// What follows a convolution in conv2d_relu.
struct Finish {
  Tensor residual{};
  bool relu = false;
};

Tensor raw_conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Shape& output_shape,
                  const Conv2dOptions& options, const Finish& finish = {}) {
  const Conv2dProblem problem =
      problem_of(FlopPhase::Forward, input, input.shape(), weight, weight.shape(), output_shape, options);
  count_flops(FlopPhase::Forward, flops(problem, weight.numel()), flops(problem, alive_count(weight)));
  const Conv2dOperands operands{.x = detail::in_format(input, problem.format),
                                .y = {},
                                .weight = dense_or_none(weight),
                                .bias = bias.defined() ? detail::raw_contiguous(bias) : Tensor()};
  const Tensor residual = finish.residual.defined() ? detail::in_format(finish.residual, problem.format) : Tensor();
  const auto run = [&](const Conv2dCandidate& kernel, const PackedFilter* packed) {
    Conv2dOperands own = operands;
    own.packed = packed;
    if (kernel.finishes) {
      own.residual = residual;
      own.relu = finish.relu;
    }
    const Tensor output = kernel.run(problem, own);
    if (finish.relu && !kernel.finishes) add_relu(output, residual);
    return output;
  };
  if (PackedFilters* const kept = PackedFiltersScope::current()) {
    const PackedFilters::Choice choice = kept->find(problem, weight, operands);
    return run(*choice.candidate, choice.filter.get());
  }
  return run_conv2d(problem, [&](const Conv2dCandidate& kernel) { return run(kernel, nullptr); });
}

Tensor weight_gradient(const Tensor& d_output, const Tensor& input, const Shape& weight_shape,
                       const Conv2dOptions& options);

/// The gradient of conv2d's input: bilinear in d_output and weight, hence differentiable in the same three functions.
Tensor data_gradient(const Tensor& d_output, const Tensor& weight, const Shape& input_shape,
                     const Conv2dOptions& options) {
  const Conv2dProblem problem =
      problem_of(FlopPhase::DataGradient, d_output, input_shape, weight, weight.shape(), d_output.shape(), options);
  count_flops(FlopPhase::DataGradient, flops(problem, weight.numel()), flops(problem, alive_count(weight)));
  const Tensor d_input =
      run_conv2d(problem, {.x = {}, .y = detail::in_format(d_output, problem.format), .weight = dense_or_none(weight)});
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
  const Conv2dProblem problem =
      problem_of(FlopPhase::WeightGradient, input, input.shape(), {}, weight_shape, d_output.shape(), options);
  const Tensor d_weight = run_conv2d(
      problem,
      {.x = detail::in_format(input, problem.format), .y = detail::in_format(d_output, problem.format), .weight = {}});
  return record("conv2d_weight_gradient", d_weight, {d_output, input}, {d_output, input},
                [options](const Saved& saved, const Tensor& gradient) {
                  Gradients result(2);
                  if (saved.needs(0)) result[0] = conv2d(saved[1], gradient, {}, options);
                  if (saved.needs(1)) result[1] = data_gradient(saved[0], gradient, saved[1].shape(), options);
                  return result;
                });
}

/// The gradient of a Masked weight in the form it asks for, with its FLOPs.
Tensor masked_weight_gradient(const Tensor& d_output, const Tensor& input, const Tensor& weight,
                              const Conv2dOptions& options) {
  const Conv2dProblem problem =
      problem_of(FlopPhase::WeightGradient, input, input.shape(), weight, weight.shape(), d_output.shape(), options);
  const double dense = flops(problem, weight.numel());
  const GradientKind kind = problem.sparse->gradient_kind();
  if (kind == GradientKind::None) {
    count_flops(FlopPhase::WeightGradient, dense, 0.0);
    return {};
  }
  const Conv2dOperands operands{
      .x = detail::in_format(input, problem.format), .y = detail::in_format(d_output, problem.format), .weight = {}};
  if (kind == GradientKind::Dense) {
    count_flops(FlopPhase::WeightGradient, dense, dense);
    return conv2d_dense_weight_gradient(problem, operands);
  }
  count_flops(FlopPhase::WeightGradient, dense, flops(problem, problem.sparse->trainable().count()));
  return run_conv2d(problem, operands);
}

Tensor dense_weight_gradient(const Tensor& d_output, const Tensor& input, const Shape& weight_shape,
                             const Conv2dOptions& options) {
  const double dense = 2.0 * static_cast<double>(d_output.size(0) * d_output.size(2) * d_output.size(3)) *
                       static_cast<double>(weight_shape.numel());
  count_flops(FlopPhase::WeightGradient, dense, dense);
  return weight_gradient(d_output, input, weight_shape, options);
}

/// Σ over images and pixels of d_output (n, m, h, w).
Tensor bias_gradient(const Tensor& d_output) {
  const Shape& shape = d_output.shape();
  if (!detail::is_blocked(d_output) || shape.numel() == 0) return sum(d_output, {0, 2, 3});
  // Blocked images are rows of channels of columns and lanes, with zeros for padding.
  const std::int64_t block = image_block(d_output.dtype());
  const std::int64_t rows = (shape[0] + block - 1) / block * shape[2];
  const Shape seen{rows, shape[1], shape[3] * block};
  const Tensor sums =
      sum(detail::make_view(d_output.impl()->storage, seen, contiguous_strides(seen), 0, d_output.dtype()), {0, 2});
  return record("conv2d_bias_gradient", sums, {d_output}, {}, [shape](const Saved&, const Tensor& gradient) {
    return gradient.reshape({1, shape[1], 1, 1}).expand(shape);
  });
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

Tensor detail::conv2d_data_gradient(const Tensor& d_output, const Tensor& weight, const Shape& input_shape,
                                    const Conv2dOptions& options) {
  return data_gradient(d_output, weight, input_shape, options);
}

Tensor conv2d(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options) {
  const Shape output_shape = check_conv2d(input, weight, bias, options);
  const Tensor output = raw_conv2d(input, weight, bias, output_shape, options);
  auto backward = [options](const Saved& saved, const Tensor& d_output) {
    const Tensor x = saved[0];
    const Tensor w = saved[1];
    Gradients result(3);
    const Tensor dy = d_output.to(x.memory_format());
    if (saved.needs(0)) result[0] = data_gradient(dy, w, x.shape(), options);
    if (saved.needs(1)) {
      result[1] =
          w.is_masked() ? masked_weight_gradient(dy, x, w, options) : dense_weight_gradient(dy, x, w.shape(), options);
    }
    if (saved.needs(2)) result[2] = bias_gradient(dy);
    return result;
  };
  if (weight.is_masked()) return record_once("conv2d", output, {input, weight, bias}, {input, weight}, backward);
  return record("conv2d", output, {input, weight, bias}, {input, weight}, backward);
}

Tensor conv2d_relu(const Tensor& input, const Tensor& weight, const Tensor& bias, const Conv2dOptions& options,
                   const Tensor& residual) {
  const Shape output_shape = check_conv2d(input, weight, bias, options);
  COPPICE_CHECK(!residual.defined() || (residual.shape() == output_shape && residual.dtype() == input.dtype()),
                "[conv2d_relu] expects a residual like the output ", input.dtype(), " ", output_shape, "; got ",
                residual.dtype(), " ", residual.shape());
  if (detail::needs_record({input, weight, bias, residual})) {
    const Tensor output = conv2d(input, weight, bias, options);
    return relu(residual.defined() ? output + residual : output);
  }
  return raw_conv2d(input, weight, bias, output_shape, options, {.residual = residual, .relu = true});
}

}  // namespace coppice
