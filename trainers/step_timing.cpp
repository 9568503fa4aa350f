#include <coppice/trainers/step_timing.h>

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <sstream>

#include <coppice/core/allocator.h>
#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/models/mlp.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>
#include <coppice/sparsity/field.h>
#include <coppice/sparsity/policy.h>

namespace coppice::train {
namespace {

struct Network {
  const char* name;
  std::shared_ptr<nn::Module> (*build)(std::uint64_t seed);
  Shape image;
};

const std::array<Network, 3>& networks() {
  static const std::array<Network, 3> all{
      Network{"mnist_mlp",
              [](std::uint64_t seed) -> std::shared_ptr<nn::Module> {
                return models::mlp({784, 300, 100, 10}, seed);
              },
              {1, 28, 28}},
      Network{"resnet20", [](std::uint64_t seed) { return models::resnet20({.seed = seed}); }, {3, 32, 32}},
      Network{"resnet18",
              [](std::uint64_t seed) {
                return models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .seed = seed});
              },
              {3, 32, 32}}};
  return all;
}

double median(std::vector<double> values) {
  const auto middle = values.begin() + std::ssize(values) / 2;
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

measure::Sample median(const std::vector<measure::Sample>& samples) {
  std::vector<double> wall;
  std::vector<double> cpu;
  for (const measure::Sample& sample : samples) {
    wall.push_back(sample.wall);
    cpu.push_back(sample.cpu);
  }
  return {.wall = median(wall), .cpu = median(cpu)};
}

std::vector<std::string> names() {
  std::vector<std::string> result;
  for (const Network& network : networks()) result.emplace_back(network.name);
  return result;
}

/// A network with masks, its optimiser, and the batch it trains on.
struct Training {
  explicit Training(const StepTimingOptions& options) {
    COPPICE_CHECK(options.sparsity >= 0.0 && options.sparsity < 1.0 && options.batch_size >= 1,
                  "[step_timing] expects sparsity in [0, 1) and an image or more; got ", options.sparsity, " and ",
                  options.batch_size);
    const Network& network =
        networks().at(sparsity::detail::word_index(names(), options.network, "[step_timing] network "));
    model = network.build(options.seed);
    if (options.sparsity > 0.0) {
      sparsity::MaskPolicy policy = sparsity::static_mask();
      policy.density = 1.0 - options.sparsity;
      policy.distribution = options.distribution;
      sparsity::make_sparse(*model, policy, options.seed);
    }
    Generator generator(options.seed);
    Dims shape{options.batch_size};
    for (const std::int64_t size : network.image) shape.push_back(size);
    images = Tensor::randn(Shape(shape), generator);
    labels = Tensor::randint(0, 10, {options.batch_size}, generator, {.dtype = kInt64});
    optimizer.emplace(optim::split_decay(model->parameters(), 5e-4), optim::SgdOptions{.lr = 0.01, .momentum = 0.9});
  }

  Tensor loss() const { return cross_entropy((*model)(images), labels); }

  std::shared_ptr<nn::Module> model;
  Tensor images, labels;
  std::optional<optim::SGD> optimizer;
};

}  // namespace

std::vector<std::string> step_networks() { return names(); }

StepTiming time_steps(const StepTimingOptions& options) {
  COPPICE_CHECK(options.steps >= 1 && options.warmup >= 0, "[step_timing] expects a step or more; got ", options.steps,
                " and ", options.warmup, " to warm up");
  const AllocatorScope memory(make_caching_allocator());
  Training training(options);
  StepTiming timing{.options = options,
                    .weights = training.model->parameter_count(),
                    .alive = training.model->parameter_count(/*alive_only=*/true)};
  std::vector<measure::Sample> forward;
  std::vector<measure::Sample> backward;
  std::vector<measure::Sample> update;
  std::vector<measure::Sample> step;
  for (int i = -options.warmup; i < options.steps; ++i) {
    if (i == 0) cpu_allocator().reset_peak();
    training.optimizer->zero_grad();
    Tensor loss;
    const measure::Sample first = measure::time_calls(1, [&] { loss = training.loss(); });
    const measure::Sample second = measure::time_calls(1, [&] { loss.backward(); });
    const measure::Sample third = measure::time_calls(1, [&] { training.optimizer->step(); });
    if (i < 0) continue;
    forward.push_back(first);
    backward.push_back(second);
    update.push_back(third);
    step.push_back({.wall = first.wall + second.wall + third.wall, .cpu = first.cpu + second.cpu + third.cpu});
  }
  timing.forward = median(forward);
  timing.backward = median(backward);
  timing.update = median(update);
  timing.step = median(step);
  timing.peak_bytes = cpu_allocator().stats().peak;
  return timing;
}

std::function<void()> training_step(const StepTimingOptions& options) {
  return [training = std::make_shared<Training>(options)] {
    training->optimizer->zero_grad();
    training->loss().backward();
    training->optimizer->step();
  };
}

std::string to_csv(const std::vector<StepTiming>& timings, const measure::Conditions& conditions) {
  std::ostringstream out;
  for (const auto& [key, value] : conditions) out << "# " << key << ": " << value << '\n';
  out << "network,masks,sparsity,batch_size,steps,weights,alive,forward_wall,forward_cpu,backward_wall,backward_cpu,"
         "update_wall,update_cpu,step_wall,step_cpu,peak_bytes\n";
  for (const StepTiming& timing : timings) {
    const StepTimingOptions& options = timing.options;
    const char* masks = options.distribution == sparsity::Distribution::Erk  ? "erk"
                        : options.distribution == sparsity::Distribution::Er ? "er"
                                                                             : "uniform";
    out << options.network << ',' << (options.sparsity > 0.0 ? masks : "none") << ',' << options.sparsity << ','
        << options.batch_size << ',' << options.steps << ',' << timing.weights << ',' << timing.alive;
    for (const measure::Sample& sample : {timing.forward, timing.backward, timing.update, timing.step}) {
      out << ',' << sample.wall << ',' << sample.cpu;
    }
    out << ',' << timing.peak_bytes << '\n';
  }
  return out.str();
}

}  // namespace coppice::train
