#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/models/resnet.h>
#include <coppice/sparsity/policy.h>

namespace coppice::train {

/// What to train on.
struct DataOptions {
  std::string set = "digits";             ///< a name of data_set_names()
  std::string path{};                     ///< the directory it lies in; not of `digits`
  std::int64_t train_images = 9000;       ///< how many digits are made, validation part included; of `digits` only
  std::int64_t test_images = 4000;        ///< likewise; or held out of a folder without parts
  std::int64_t validation_images = 1000;  ///< held out of the training part
  std::int64_t image_size = 224;          ///< height and width that images of a folder get
  bool augment = true;                    ///< random crops and flips of training images; of a folder and cifar10
};

/// What to train.
struct ModelOptions {
  std::string name = "mlp";                                ///< a name of model_names()
  std::vector<std::int64_t> widths = {784, 300, 100, 10};  ///< of an mlp, input and output included
  models::ResNetStem stem = models::ResNetStem::Large;     ///< of resnet18 … resnet152
  std::int64_t width = 0;                                  ///< of a resnet: channels of its first stage; 0: its own
  std::int64_t classes = 0;                                ///< of a resnet; 0: as many as the data has
  std::int64_t channels = 0;                               ///< of a resnet's images; 0: as many as the data has
  std::string weights{};              ///< a safetensors file to start from; empty: drawn by the seed
  std::vector<std::string> freeze{};  ///< modules that are not trained, `layer1`; without a policy only
};

enum class OptimizerKind : std::uint8_t { Sgd, AdamW };
/// How the learning rate falls: not, along half a cosine, or along a line.
enum class LearningRateSchedule : std::uint8_t { Constant, Cosine, Linear };

/// How to train it.
struct TrainingOptions {
  std::int64_t steps = 0;    ///< above 0: instead of epochs
  std::int64_t epochs = 10;  ///< above 0: instead of steps
  std::int64_t batch_size = 64;
  OptimizerKind optimizer = OptimizerKind::Sgd;
  double learning_rate = 0.1;
  LearningRateSchedule schedule = LearningRateSchedule::Cosine;
  std::int64_t warmup_steps = 0;  ///< the rate rises along a line before the schedule begins
  double end_factor = 0.0;        ///< what the schedule falls to, as a share of the rate
  double momentum = 0.9;          ///< of sgd
  bool nesterov = false;          ///< of sgd
  double beta1 = 0.9;             ///< of adamw
  double beta2 = 0.999;           ///< of adamw
  double epsilon = 1e-8;          ///< of adamw
  double weight_decay = 5e-4;     ///< on weights of two dimensions or more, not on biases and norms
  std::uint64_t seed = 0;         ///< of the weights, the mask, the split and the order of the data
  int workers = 0;                ///< threads that make batches ahead of their use
  std::int64_t record_every = 0;  ///< steps between records; 0: one an epoch
};

/// When the training is saved.
struct CheckpointOptions {
  std::int64_t every = 1000;  ///< steps; 0: at the end only
  int keep = 3;               ///< of the newest
};

/// Values that a key takes in turn.
struct SweepAxis {
  std::string key{};
  std::vector<std::string> values{};

  friend bool operator==(const SweepAxis&, const SweepAxis&) = default;
};

/// One training, as data.
///
/// Every field is reached by one dotted key, the same in a file, on the command line and in a sweep:
/// `training.learning_rate`, `policy.interval`, `policy.fraction.initial`.
struct Recipe {
  std::string name = "recipe";
  DataOptions data{};
  ModelOptions model{};
  TrainingOptions training{};
  bool sparse = false;            ///< whether `policy` is in force
  std::string preset = "custom";  ///< `policy.preset`: what `policy` started from
  sparsity::MaskPolicy policy{};
  CheckpointOptions checkpoint{};
  std::vector<SweepAxis> sweep{};
};

/// A key of a recipe, for help texts.
struct RecipeKey {
  std::string key{};
  std::string expects{};  ///< `an integer of 0 or more`, `one of sgd, adamw`
  std::string value{};    ///< in the recipe asked, as text
  std::string help{};
};

/// Every key, in the order of the file.
COPPICE_API std::vector<RecipeKey> recipe_keys(const Recipe& recipe = {});
/// Every field as text, in the same order; the sweep is no field.
COPPICE_API std::vector<std::pair<std::string, std::string>> to_pairs(const Recipe& recipe);

/// Sets a field by its key. Any `policy.` key makes the recipe sparse. `policy.preset` replaces the policy but for
/// where weights live: density, distribution, dense_first, dense_last and pattern. Steps above 0 take the place of
/// epochs and the other way round. Throws `[recipe] …` with the nearest key, or what the key takes.
COPPICE_API void set(Recipe& recipe, std::string_view key, std::string_view value);

/// Throws `[recipe] …` where fields contradict each other.
COPPICE_API void validate(const Recipe& recipe);

/// Reads a recipe from TOML. A key that no table gives keeps its default; `policy.preset` comes before the other keys
/// of its table and `sparse` after them, wherever they stand. `[sweep]` gives lists of values by key. Untrusted input:
/// bounded, and every mistake is one error that names file, line, column and the nearest key or what the key takes:
/// `[recipe] mine.toml:7:1: unknown key 'policy.intervall'; did you mean 'policy.interval'?`.
COPPICE_API Recipe read_recipe(const std::filesystem::path& file);
/// The same from memory; `file` is for messages.
COPPICE_API Recipe parse_recipe(std::string_view text, const std::string& file);

/// Every field in TOML; parse_recipe gives the same recipe again.
COPPICE_API std::string to_toml(const Recipe& recipe);
/// Writes that, complete or not at all.
COPPICE_API void write_recipe(const std::filesystem::path& file, const Recipe& recipe);

/// The recipes of a sweep: every combination of its values, the last key varying fastest, each named after what it
/// sets: `mine[interval=50,density=0.05]`. Without a sweep, the recipe itself. Throws `[recipe] …` above 1000 of them.
COPPICE_API std::vector<Recipe> expand(const Recipe& recipe);

}  // namespace coppice::train
