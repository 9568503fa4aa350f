#pragma once

#include <cstdint>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/core/tensor.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/optim/optimizer.h>

namespace coppice::optim {

inline Tensor parameter(const std::vector<double>& values) { return Tensor::of(values).requires_grad_(); }

/// One step with the given gradient.
inline void step_with(Optimizer& optimizer, const Tensor& param, const Tensor& gradient) {
  param.set_grad(gradient);
  optimizer.step();
}

/// The values after each of some steps of a one-element parameter.
inline std::vector<double> trajectory(Optimizer& optimizer, const Tensor& param, const std::vector<double>& gradients) {
  std::vector<double> values;
  for (const double gradient : gradients) {
    step_with(optimizer, param, Tensor::of({gradient}));
    values.push_back(param.item<double>());
  }
  return values;
}

/// Dense `tensor` with everything outside `mask` set to 0.
inline Tensor masked_out(const Tensor& tensor, const Mask& mask) {
  return WeightState::scatter(WeightState::gather(tensor, mask), mask);
}

/// Runs the same optimiser on a Masked weight and on a dense copy whose gradient is masked, and returns whether values
/// and every state agree bit for bit after each step. Dense dead weights stay 0 because their gradient is 0.
template <class Opt, class Options>
bool masked_matches_dense(Options options, DType dtype, double density, bool dense_gradient) {
  const Shape shape{37, 53};
  Generator generator(17);
  const auto count = static_cast<std::int64_t>(density * static_cast<double>(shape.numel()));
  const Mask alive = Mask::random(shape, count, generator);
  const Tensor start = Tensor::randn(shape, generator, {.dtype = dtype});
  Tensor masked = Tensor::masked(start, alive).requires_grad_();
  Tensor dense = masked_out(start, alive).requires_grad_();
  Opt sparse_optimizer(std::vector<Tensor>{masked}, options);
  Opt dense_optimizer(std::vector<Tensor>{dense}, options);
  for (int step = 0; step < 5; ++step) {
    const Tensor gradient = Tensor::randn(shape, generator, {.dtype = dtype});
    step_with(sparse_optimizer, masked, dense_gradient ? gradient : WeightState::gather(gradient, alive));
    step_with(dense_optimizer, dense, masked_out(gradient, alive));
    if (!bit_equal(masked.to_dense(), dense.detach())) return false;
    const auto expected = dense_optimizer.state_dict();
    const auto actual = sparse_optimizer.state_dict();
    if (expected.size() != actual.size()) return false;
    for (const auto& [key, tensor] : expected) {
      if (!bit_equal(actual.at(key), tensor)) return false;
    }
  }
  return true;
}

}  // namespace coppice::optim
