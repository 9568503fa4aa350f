#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/models/nn/module.h>
#include <coppice/ops/optim/optimizer.h>
#include <coppice/trainers/recipe/recipe.h>

/// From a recipe to the objects of a training.
namespace coppice::train {

/// The names `model.name` takes, and the network of one with its weights drawn by `training.seed`. The file of
/// `model.weights` is the caller's to load. A resnet needs its classes and channels: complete (recipe_data.h) sets
/// them.
COPPICE_API std::vector<std::string> model_names();
COPPICE_API std::shared_ptr<nn::Module> build_model(const Recipe& recipe);

/// Over the model's parameters, in two groups: what decays and what does not.
COPPICE_API std::unique_ptr<optim::Optimizer> build_optimizer(const TrainingOptions& training, const nn::Module& model);

/// The factor on the learning rate at a step of a training of `steps`.
COPPICE_API std::function<double(std::int64_t step)> build_schedule(const TrainingOptions& training,
                                                                    std::int64_t steps);

/// Steps of the whole training, where an epoch has `batches` of them.
COPPICE_API std::int64_t training_steps(const TrainingOptions& training, std::int64_t batches);

}  // namespace coppice::train
