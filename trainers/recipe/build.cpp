#include <coppice/trainers/recipe/build.h>

#include <algorithm>
#include <array>

#include <coppice/core/error.h>
#include <coppice/models/mlp.h>
#include <coppice/models/mnist_cnn.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/field.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/mnist.h>

namespace coppice::train {
namespace {

struct Model {
  const char* name;
  std::shared_ptr<nn::Module> (*build)(const Recipe& recipe);
};

constexpr std::array kModels{
    Model{"mlp",
          [](const Recipe& recipe) -> std::shared_ptr<nn::Module> {
            return models::mlp(recipe.model.widths, recipe.training.seed);
          }},
    Model{"mnist_cnn",
          [](const Recipe& recipe) -> std::shared_ptr<nn::Module> {
            return models::mnist_cnn({.input_channels = 1, .seed = recipe.training.seed});
          }},
};

struct DataSet {
  const char* name;
  TrainTest (*load)(const DataOptions& data);
};

constexpr std::array kDataSets{
    DataSet{"digits",
            [](const DataOptions& data) -> TrainTest {
              return {.train = digits(data.train_images), .test = digits(data.test_images, {}, Part::Test)};
            }},
    DataSet{"mnist",
            [](const DataOptions& data) {
              COPPICE_CHECK(!data.path.empty(),
                            "[recipe] data.set mnist expects data.path, the directory of its four idx files; got none");
              return mnist(data.path);
            }},
};

template <class Entries>
std::vector<std::string> names(const Entries& entries) {
  std::vector<std::string> all;
  for (const auto& entry : entries) all.emplace_back(entry.name);
  return all;
}

}  // namespace

std::vector<std::string> model_names() { return names(kModels); }

std::shared_ptr<nn::Module> build_model(const Recipe& recipe) {
  return kModels.at(sparsity::detail::word_index(model_names(), recipe.model.name, "[recipe] model.name "))
      .build(recipe);
}

std::vector<std::string> data_set_names() { return names(kDataSets); }

TrainTest load_data(const DataOptions& data) {
  return kDataSets.at(sparsity::detail::word_index(data_set_names(), data.set, "[recipe] data.set ")).load(data);
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
