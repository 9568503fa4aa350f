#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>

namespace coppice::sparsity::testing {

enum class Rule { Sgd, Nesterov, AdamW };

inline std::unique_ptr<optim::Optimizer> make_optimizer(Rule rule, const std::vector<Tensor>& parameters,
                                                        double weight_decay) {
  if (rule == Rule::AdamW) {
    return std::make_unique<optim::AdamW>(parameters, optim::AdamWOptions{.lr = 0.003, .weight_decay = weight_decay});
  }
  return std::make_unique<optim::SGD>(
      parameters,
      optim::SgdOptions{.lr = 0.05, .momentum = 0.9, .weight_decay = weight_decay, .nesterov = rule == Rule::Nesterov});
}

/// Noisy points around one random centre per class.
struct Blobs {
  Tensor inputs;
  Tensor labels;

  Blobs(std::int64_t count, std::int64_t features, std::int64_t classes, std::uint64_t seed) {
    Generator generator(seed);
    const Tensor centres = Tensor::randn({classes, features}, generator);
    inputs = Tensor::randn({count, features}, generator);
    std::vector<std::int64_t> label;
    for (std::int64_t i = 0; i < count; ++i) {
      label.push_back(i % classes);
      inputs.select(0, i).add_(centres.select(0, i % classes));
    }
    labels = Tensor::of(label);
  }
};

/// An MLP on blobs under a policy.
class Training {
 public:
  Training(const MaskPolicy& policy, std::int64_t steps, std::uint64_t seed = 1, Rule rule = Rule::Sgd,
           double weight_decay = 5e-4, const std::vector<std::int64_t>& widths = {24, 40, 32, 5})
      : model(models::mlp(widths, seed)), data(32, widths.front(), widths.back(), seed), total_steps(steps) {
    make_sparse(*model, policy, seed);
    optimizer = make_optimizer(rule, model->parameters(), weight_decay);
    controller = std::make_unique<MaskController>(*model, policy, Plan{.total_steps = steps, .seed = seed});
  }

  /// Forward and backward of one iteration, between begin_step and end_step.
  void backward() {
    optimizer->zero_grad();
    cross_entropy((*model)(data.inputs), data.labels).backward();
  }
  StepDecision step(std::int64_t at) {
    const StepDecision decision = controller->begin_step(at);
    backward();
    controller->end_step(at, *optimizer);
    return decision;
  }
  void run() {
    for (std::int64_t at = 0; at < total_steps; ++at) step(at);
  }
  std::vector<nn::PrunableWeight> weights() { return nn::prunable(*model); }
  /// The Masked weights' states, in order.
  std::vector<WeightState*> states() {
    std::vector<WeightState*> result;
    for (const nn::PrunableWeight& weight : weights()) {
      if (weight.tensor().is_masked()) result.push_back(&weight.tensor().weight_state());
    }
    return result;
  }
  /// All parameters as dense tensors, for comparing bits.
  std::vector<Tensor> snapshot() const {
    std::vector<Tensor> values;
    for (const Tensor& parameter : model->parameters()) values.push_back(parameter.to_dense());
    return values;
  }

  std::shared_ptr<nn::Sequential> model;
  Blobs data;
  std::int64_t total_steps;
  std::unique_ptr<optim::Optimizer> optimizer;
  std::unique_ptr<MaskController> controller;
};

/// Values packed at the positions of a mask, and the same of a state vector.
inline Tensor values_at(const WeightState& state, const Mask& at) {
  return WeightState::remap(state.values(), state.stored(), at);
}
inline Tensor state_at(WeightState& state, const std::string& name, const Mask& at) {
  return WeightState::remap(state.state(name), state.stateful(), at);
}

/// IEE with phases that fit a short test.
inline MaskPolicy short_iee(std::int64_t h, std::int64_t j, std::int64_t q) {
  MaskPolicy policy = iee();
  policy.density = 0.2;
  policy.interval = h;
  policy.accuracy_steps = j;
  policy.exploration_steps = q;
  return policy;
}

inline MaskPolicy short_rigl(std::int64_t interval) {
  MaskPolicy policy = rigl();
  policy.density = 0.2;
  policy.interval = interval;
  return policy;
}

}  // namespace coppice::sparsity::testing
