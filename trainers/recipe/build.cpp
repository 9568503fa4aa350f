#include <coppice/trainers/recipe/build.h>

#include <algorithm>
#include <array>

#include <coppice/core/error.h>
#include <coppice/models/mlp.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/models/mobilenet.h>
#include <coppice/models/resnet.h>
#include <coppice/models/wide_resnet.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/field.h>

namespace coppice::train {
namespace {

struct Model {
  const char* name;
  std::shared_ptr<nn::Module> (*build)(const Recipe& recipe);
};

void check_completed(const ModelOptions& model) {
  COPPICE_CHECK(model.classes > 0 && model.channels > 0, "[recipe] ", model.name,
                " expects model.classes and model.channels above 0; got ", model.classes, " and ", model.channels);
}

template <auto network>
std::shared_ptr<nn::Module> build_resnet(const Recipe& recipe) {
  const ModelOptions& model = recipe.model;
  check_completed(model);
  models::ResNetOptions options{
      .num_classes = model.classes, .stem = model.stem, .input_channels = model.channels, .seed = recipe.training.seed};
  if (model.width > 0) options.width = model.width;
  return network(options);
}

template <auto network>
std::shared_ptr<nn::Module> build_cifar_resnet(const Recipe& recipe) {
  const ModelOptions& model = recipe.model;
  check_completed(model);
  models::CifarResNetOptions options{
      .num_classes = model.classes, .input_channels = model.channels, .seed = recipe.training.seed};
  if (model.width > 0) options.width = model.width;
  return network(options);
}

std::shared_ptr<nn::Module> build_wide_resnet(const Recipe& recipe) {
  const ModelOptions& model = recipe.model;
  check_completed(model);
  models::WideResNetOptions options{
      .num_classes = model.classes, .input_channels = model.channels, .seed = recipe.training.seed};
  if (model.width > 0) options.widen = model.width;
  return models::wide_resnet(options);
}

template <auto kBuild>
std::shared_ptr<nn::Module> build_mobilenet(const Recipe& recipe) {
  const ModelOptions& model = recipe.model;
  check_completed(model);
  models::MobileNetOptions options{
      .num_classes = model.classes, .input_channels = model.channels, .seed = recipe.training.seed};
  if (model.width > 0) options.width = static_cast<double>(model.width) / 32.0;
  return kBuild(options);
}

constexpr std::array kModels{
    Model{"mlp",
          [](const Recipe& recipe) -> std::shared_ptr<nn::Module> {
            return models::mlp(recipe.model.widths, recipe.training.seed);
          }},
    Model{"mnist_cnn",
          [](const Recipe& recipe) -> std::shared_ptr<nn::Module> {
            return models::mnist_cnn({.input_channels = 1, .seed = recipe.training.seed});
          }},
    Model{"resnet18", build_resnet<models::resnet18>},
    Model{"resnet34", build_resnet<models::resnet34>},
    Model{"resnet50", build_resnet<models::resnet50>},
    Model{"resnet101", build_resnet<models::resnet101>},
    Model{"resnet152", build_resnet<models::resnet152>},
    Model{"resnet20", build_cifar_resnet<models::resnet20>},
    Model{"resnet32", build_cifar_resnet<models::resnet32>},
    Model{"resnet56", build_cifar_resnet<models::resnet56>},
    Model{"wide_resnet22", build_wide_resnet},
    Model{"mobilenet_v1", build_mobilenet<models::mobilenet_v1>},
    Model{"mobilenet_v2", build_mobilenet<models::mobilenet_v2>},
};

}  // namespace

std::vector<std::string> model_names() {
  std::vector<std::string> all;
  for (const Model& model : kModels) all.emplace_back(model.name);
  return all;
}

std::shared_ptr<nn::Module> build_model(const Recipe& recipe) {
  return kModels.at(sparsity::detail::word_index(model_names(), recipe.model.name, "[recipe] model.name "))
      .build(recipe);
}

std::unique_ptr<optim::Optimizer> build_optimizer(const TrainingOptions& training, const nn::Module& model) {
  std::vector<optim::ParamGroup> groups = optim::split_decay(model.parameters(), training.weight_decay);
  if (training.optimizer == OptimizerKind::AdamW) {
    return std::make_unique<optim::AdamW>(
        std::move(groups),
        optim::AdamWOptions{
            .lr = training.learning_rate, .betas = {training.beta1, training.beta2}, .eps = training.epsilon});
  }
  return std::make_unique<optim::SGD>(
      std::move(groups),
      optim::SgdOptions{.lr = training.learning_rate, .momentum = training.momentum, .nesterov = training.nesterov});
}

std::function<double(std::int64_t step)> build_schedule(const TrainingOptions& training, std::int64_t steps) {
  using namespace optim;
  const std::int64_t falling = std::max<std::int64_t>(steps - training.warmup_steps, 1);
  schedule::Schedule then = schedule::constant();
  if (training.schedule == LearningRateSchedule::Cosine) then = schedule::cosine(falling, training.end_factor);
  if (training.schedule == LearningRateSchedule::Linear) then = schedule::linear(1.0, training.end_factor, falling);
  if (training.warmup_steps == 0) return then;
  // Not from 0: the first step would be wasted.
  return schedule::warmup(training.warmup_steps, then, 1.0 / static_cast<double>(training.warmup_steps + 1));
}

std::int64_t training_steps(const TrainingOptions& training, std::int64_t batches) {
  return training.steps > 0 ? training.steps : training.epochs * batches;
}

}  // namespace coppice::train
