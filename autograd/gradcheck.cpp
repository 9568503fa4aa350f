#include <coppice/autograd/gradcheck.h>

#include <algorithm>
#include <cmath>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/core/generator.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice {
namespace {

using Tensors = std::vector<Tensor>;
using Function = std::function<Tensors(const Tensors&)>;

/// One number to perturb, and where its derivative stands in the gradient.
struct Element {
  double* value;
  std::int64_t gradient_index;
};

std::vector<Element> elements_of(const Tensor& input, bool packed_gradient) {
  std::vector<Element> elements;
  if (input.is_masked()) {
    const WeightState& state = input.weight_state();
    double* values = state.values().data<double>();
    state.trainable().for_each([&](std::int64_t position, std::int64_t slot) {
      elements.push_back({values + state.stored().rank(position), packed_gradient ? slot : position});
    });
    return elements;
  }
  double* first = input.data<double>();
  for (std::int64_t i = 0; i < input.numel(); ++i) {
    std::int64_t offset = 0;
    std::int64_t rest = i;
    for (int d = input.dim() - 1; d >= 0; --d) {
      offset += rest % input.size(d) * input.strides()[d];
      rest /= input.size(d);
    }
    elements.push_back({first + offset, i});
  }
  return elements;
}

void write(const Tensor& input, const Element& element, double value) {
  *element.value = value;
  if (input.is_masked()) {
    input.weight_state().bump_values();
  } else {
    input.impl()->storage->bump_version();
  }
}

/// The outputs that a gradient can be asked of, with the fixed weights of their sum.
struct Weighted {
  std::vector<std::size_t> indices;
  Tensors weights;
};

Weighted weigh(const Tensors& outputs) {
  Weighted weighted;
  Generator generator(0x9c0ffee);
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    if (!outputs[i].defined() || !outputs[i].requires_grad()) continue;
    weighted.indices.push_back(i);
    weighted.weights.push_back(Tensor::randn(outputs[i].shape(), generator, {.dtype = kFloat64}));
  }
  return weighted;
}

double weighted_sum(const Tensors& outputs, const Weighted& weighted) {
  double sum = 0;
  for (std::size_t i = 0; i < weighted.indices.size(); ++i) {
    const std::vector<double> values = outputs[weighted.indices[i]].to_vector<double>();
    const double* weights = weighted.weights[i].data<double>();
    for (std::size_t j = 0; j < values.size(); ++j) sum += values[j] * weights[j];
  }
  return sum;
}

Tensors pick(const Tensors& tensors, const std::vector<std::size_t>& indices) {
  Tensors picked;
  for (const std::size_t index : indices) picked.push_back(tensors[index]);
  return picked;
}

std::vector<std::size_t> differentiable(const Tensors& inputs) {
  std::vector<std::size_t> indices;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (!inputs[i].defined()) continue;
    COPPICE_CHECK(!is_floating(inputs[i].dtype()) || inputs[i].dtype() == kFloat64,
                  "[gradcheck] expects float64; got input ", i, " ", inputs[i].dtype(), " ", inputs[i].shape());
    if (inputs[i].requires_grad()) indices.push_back(i);
  }
  COPPICE_CHECK(!indices.empty(), "[gradcheck] expects an input that requires a gradient; got none");
  return indices;
}

void check_first_order(const Function& function, const Tensors& inputs, const GradcheckOptions& options,
                       const char* order) {
  const std::vector<std::size_t> checked = differentiable(inputs);
  Weighted weighted;
  Tensors analytic;
  {
    const Tensors outputs = function(inputs);
    weighted = weigh(outputs);
    COPPICE_CHECK(!weighted.indices.empty(), "[gradcheck] expects an output that requires a gradient; got none of ",
                  outputs.size());
    analytic = grad(pick(outputs, weighted.indices), pick(inputs, checked), weighted.weights);
  }
  for (std::size_t k = 0; k < checked.size(); ++k) {
    const Tensor& input = inputs[checked[k]];
    const std::vector<double> gradient =
        analytic[k].defined() ? analytic[k].to_vector<double>() : std::vector<double>();
    const bool packed = analytic[k].defined() && input.is_masked() && analytic[k].shape() != input.shape();
    for (const Element& element : elements_of(input, packed)) {
      const double value = *element.value;
      const double step = options.step * std::max(1.0, std::abs(value));
      write(input, element, value + step);
      const double above = weighted_sum(function(inputs), weighted);
      write(input, element, value - step);
      const double below = weighted_sum(function(inputs), weighted);
      write(input, element, value);
      const double numeric = (above - below) / (2 * step);
      const double found = gradient.empty() ? 0.0 : gradient[static_cast<std::size_t>(element.gradient_index)];
      // Written so that NaN fails.
      COPPICE_CHECK(std::abs(found - numeric) <= options.tolerance * std::max(1.0, std::abs(numeric)), "[gradcheck] ",
                    order, " derivative for input ", checked[k], " ", input.shape(), " at element ",
                    element.gradient_index, ": back-propagated ", found, ", by central difference ", numeric);
    }
  }
}

/// The function from (inputs, cotangents) to the gradients of the inputs that require one, itself differentiable.
Function gradient_of(const Function& function, std::size_t num_inputs, const std::vector<std::size_t>& outputs) {
  return [=](const Tensors& all) {
    const Tensors inputs(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(num_inputs));
    const Tensors cotangents(all.begin() + static_cast<std::ptrdiff_t>(num_inputs), all.end());
    return grad(pick(function(inputs), outputs), pick(inputs, differentiable(inputs)), cotangents,
                {.create_graph = true});
  };
}

}  // namespace

void gradcheck(const Function& function, const Tensors& inputs, GradcheckOptions options) {
  const GradMode mode(true);
  check_first_order(function, inputs, options, "first");
  if (!options.double_backward) return;
  const Weighted weighted = weigh(function(inputs));
  Tensors all = inputs;
  for (Tensor weight : weighted.weights) all.push_back(weight.requires_grad_());
  check_first_order(gradient_of(function, inputs.size(), weighted.indices), all, options, "second");
}

}  // namespace coppice
