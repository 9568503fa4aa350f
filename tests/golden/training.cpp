#include <coppice/models/resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/elementwise.h>
#include <coppice/ops/optim/sgd.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <string>
#include <vector>

#include "tests/golden/families.h"

namespace coppice::golden {
namespace {

/// Multiples of 2⁻¹⁵ in [−1, 1), as training.py has them.
Tensor noise(const Shape& shape, std::size_t stream) {
  std::vector<double> values(static_cast<std::size_t>(shape.numel()));
  for (std::size_t i = 0; i < values.size(); ++i) {
    auto hash = static_cast<std::uint32_t>((i + stream * 1000003) * 2654435761U);
    hash = (hash ^ hash >> 15) * 2246822519U;
    hash = (hash ^ hash >> 13) * 3266489917U;
    values[i] = static_cast<double>(hash >> 16) / 32768 - 1;
  }
  return Tensor::of(values, shape);
}

/// The weights of training.py: by name in alphabetical order, norms as they are.
void set_weights(nn::Module& model) {
  std::vector<nn::NamedTensor> parameters = model.named_parameters();
  std::sort(parameters.begin(), parameters.end(), [](const auto& a, const auto& b) { return a.name < b.name; });
  nn::StateDict state = model.state_dict();
  for (std::size_t i = 0; i < parameters.size(); ++i) {
    const auto& [name, parameter] = parameters[i];
    if (parameter.dim() < 2) continue;
    const auto inputs = static_cast<double>(parameter.numel() / parameter.size(0));
    state.set(name, noise(parameter.shape(), i) * std::sqrt(6 / inputs));
  }
  state.set("fc.bias", Tensor::zeros_like(state.at("fc.bias")));
  model.load_state_dict(state);
}

Tensors train(const Tensors&, const Options& options) {
  const DType dtype = options.text("dtype") == "float64" ? kFloat64 : kFloat32;
  const std::int64_t batch = options.integer("batch");
  const std::int64_t size = options.integer("size");
  const std::shared_ptr<nn::Module> model = models::resnet20();
  model->to(dtype);
  set_weights(*model);
  optim::SGD optimiser(model->parameters(), {.lr = options.number("lr"),
                                             .momentum = options.number("momentum"),
                                             .weight_decay = options.number("weight_decay")});
  std::vector<double> losses;
  for (std::int64_t step = 0; step < options.integer("steps"); ++step) {
    const Tensor images = noise({batch, 3, size, size}, static_cast<std::size_t>(1000 + step % 3)).to(dtype);
    std::vector<std::int64_t> labels;
    for (std::int64_t i = 0; i < batch; ++i) labels.push_back((i * 7 + step % 3) % 10);
    const Tensor loss = cross_entropy((*model)(images), Tensor::of(labels));
    losses.push_back(loss.item<double>());
    optimiser.zero_grad();
    loss.backward();
    optimiser.step();
  }
  Tensors results{Tensor::of(losses).to(dtype)};
  const nn::StateDict state = model->state_dict();
  for (const std::string& name : options.texts("kept")) results.push_back(state.at(name));
  return results;
}

}  // namespace

Table training() { return {{"resnet20", {train}}}; }

}  // namespace coppice::golden
