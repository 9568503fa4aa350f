#pragma once

#include <atomic>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include <coppice/core/export.h>
#include <coppice/models/nn/module.h>
#include <coppice/ops/optim/optimizer.h>
#include <coppice/ops/plan.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/checkpoint.h>
#include <coppice/trainers/loop.h>
#include <coppice/trainers/recipe/recipe.h>
#include <coppice/trainers/recipe/recipe_data.h>

namespace coppice::train {

/// The objects of a training, ready for fit().
struct TrainingSetup {
  std::int64_t steps = 0;
  std::shared_ptr<nn::Module> model{};
  std::unique_ptr<optim::Optimizer> optimizer{};
  std::unique_ptr<sparsity::MaskController> controller{};  ///< null for a dense recipe
  std::unique_ptr<DataLoader> loader{};
  std::string note{};  ///< what was taken from `model.weights`

  Trainee trainee() const { return {*model, *optimizer, controller.get()}; }
};

/// Builds what a recipe asks for; it depends on recipe and data alone.
COPPICE_API TrainingSetup set_up(const Recipe& recipe, const RecipeData& data);

struct TrainOptions {
  /// Go on from the newest checkpoint in the directory; without one, from the start.
  bool resume = false;
  /// Go on from this checkpoint instead.
  std::filesystem::path from{};
  /// Which kernels to run; empty: those of the checkpoint's plan, if it has one, else of the cost model.
  std::optional<Plan> plan{};
  const std::atomic<bool>* stop = nullptr;  ///< when true: save a checkpoint and return
  /// Once everything is built and read, before the first step.
  std::function<void(std::int64_t first_step, std::int64_t steps)> on_start{};
  std::function<void(std::int64_t done)> on_step{};
  std::function<void(const EpochRecord& record)> on_record{};
  /// What the user should know and is no error: a damaged checkpoint that was passed over, …
  std::function<void(const std::string& note)> on_note{};
};

/// What a training came to.
struct TrainResult {
  FitResult fitted{};
  std::filesystem::path checkpoint{};      ///< the last one written
  std::optional<Evaluation> validation{};  ///< of the trained network; empty when training was stopped
  std::optional<Evaluation> test{};        ///< likewise; the test images are looked at once, here
  std::int64_t weights = 0;                ///< that pruning may touch
  std::int64_t alive = 0;
  Plan kernels{};  ///< that ran the first step of the training, or since its plan was changed
};

/// Trains a recipe in a directory: `recipe.resolved.toml`, `log.jsonl`, `log.csv` and TensorBoard's event files grow as
/// it goes, `checkpoints/` holds the newest checkpoints, and at the end `metrics.json` says what it came to. Results
/// but for times and memory depend on the recipe and its data alone, however often the training is killed and resumed.
///
/// Throws `[train] …` when the directory holds a training and none is to be resumed, or one of another recipe or other
/// data, naming the key.
COPPICE_API TrainResult train(const Recipe& recipe, const std::filesystem::path& directory,
                              const TrainOptions& options = {});

/// The plan that a checkpoint of train() was trained by; empty where there was none. Throws `[Plan] …`.
COPPICE_API Plan plan_of(const Checkpoint& checkpoint);
/// The recipe that a checkpoint of train() was trained by. Throws `[checkpoint] file: …` when it has none.
COPPICE_API Recipe recipe_of(const Checkpoint& checkpoint);

}  // namespace coppice::train
