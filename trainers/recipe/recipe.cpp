#include <coppice/trainers/recipe/recipe.h>

#include <array>

#include <coppice/core/error.h>
#include <coppice/sparsity/policy_fields.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/recipe/fields.h>
#include <coppice/trainers/recipe/recipe_data.h>

namespace coppice::train {
namespace {

using sparsity::detail::Bounds;
using sparsity::detail::Field;
using sparsity::detail::field;
using sparsity::detail::Fields;
using sparsity::detail::kShare;
using sparsity::detail::word_field;

constexpr std::size_t kMostVariants = 1000;
constexpr std::array<std::string_view, 2> kOptimizers = {"sgd", "adamw"};
constexpr std::array<std::string_view, 3> kSchedules = {"constant", "cosine", "linear"};
constexpr std::array<std::string_view, 2> kStems = {"large", "small"};
constexpr Bounds kCount{.least = 0.0};
constexpr Bounds kPositive{.least = 1.0};

Field preset_field(Recipe& recipe) {
  std::vector<std::string> words = sparsity::preset_names();
  words.insert(words.begin(), "custom");
  Field made =
      word_field("policy.preset", recipe.preset, std::move(words),
                 "where the policy starts from; density, distribution, dense_first, dense_last and pattern stay");
  made.assign = [&recipe, take = made.assign](std::string_view text) {
    take(text);
    detail::use_preset(recipe.policy, text);
  };
  return made;
}

/// Steps and epochs exclude each other: one above 0 puts the other to 0.
Field length_field(std::string key, std::int64_t& value, std::int64_t& other, std::string help) {
  Field made = field(std::move(key), value, std::move(help), kCount);
  made.assign = [&value, &other, take = made.assign](std::string_view text) {
    take(text);
    if (value > 0) other = 0;
  };
  return made;
}

}  // namespace

void detail::use_preset(sparsity::MaskPolicy& policy, std::string_view preset) {
  sparsity::MaskPolicy fresh = preset == "custom" ? sparsity::MaskPolicy{} : sparsity::preset(preset);
  fresh.density = preset == "dense" ? 1.0 : policy.density;
  fresh.distribution = policy.distribution;
  fresh.dense_first = policy.dense_first;
  fresh.dense_last = policy.dense_last;
  fresh.pattern = policy.pattern;
  policy = std::move(fresh);
}

Fields detail::fields_of(Recipe& recipe) {
  DataOptions& data = recipe.data;
  ModelOptions& model = recipe.model;
  TrainingOptions& training = recipe.training;
  CheckpointOptions& checkpoint = recipe.checkpoint;
  Fields fields = {
      field("name", recipe.name, "what results call the training"),

      word_field("data.set", data.set, data_set_names(), "what to train on"),
      field("data.path", data.path, "the directory the data set lies in; not of digits"),
      field("data.train_images", data.train_images, "how many digits are made, validation part included", kPositive),
      field("data.test_images", data.test_images, "how many digits are made, or held out of a folder, to test on",
            kPositive),
      field("data.validation_images", data.validation_images, "held out of the training part", kCount),
      field("data.image_size", data.image_size, "height and width that images of a folder get", kPositive),
      field("data.augment", data.augment, "random crops and flips of training images; of a folder and cifar10"),

      word_field("model.name", model.name, model_names(), "what to train"),
      field("model.widths", model.widths, "of an mlp, input and output included", kPositive),
      field("model.stem", model.stem, kStems, "of resnet18 to 152: for images of about 224 or of about 32 pixels"),
      field("model.width", model.width,
            "of a resnet or mobilenet: channels of its first stage; of wide_resnet22: the widening; 0: the paper's",
            kCount),
      field("model.classes", model.classes, "of a resnet; 0: as many as the data has", kCount),
      field("model.channels", model.channels, "of a resnet's images; 0: as many as the data has", kCount),
      field("model.weights", model.weights, "a safetensors or `.pth` file to start from; empty: drawn by the seed"),
      field("model.freeze", model.freeze, "modules that are not trained, by name; without a policy only"),

      length_field("training.steps", training.steps, training.epochs, "length in steps; instead of epochs"),
      length_field("training.epochs", training.epochs, training.steps, "length in epochs; instead of steps"),
      field("training.batch_size", training.batch_size, "images a step", kPositive),
      field("training.optimizer", training.optimizer, kOptimizers, ""),
      field("training.learning_rate", training.learning_rate, "at its highest", kCount),
      field("training.schedule", training.schedule, kSchedules, "how the learning rate falls"),
      field("training.warmup_steps", training.warmup_steps, "the rate rises along a line before it falls", kCount),
      field("training.end_factor", training.end_factor, "what the rate falls to, as a share of it", kShare),
      field("training.momentum", training.momentum, "of sgd", kShare),
      field("training.nesterov", training.nesterov, "of sgd"),
      field("training.beta1", training.beta1, "of adamw", kShare),
      field("training.beta2", training.beta2, "of adamw", kShare),
      field("training.epsilon", training.epsilon, "of adamw", kCount),
      field("training.weight_decay", training.weight_decay, "on weights, not on biases and norms", kCount),
      field("training.seed", training.seed, "of the weights, the mask, the split and the order of the data"),
      field("training.workers", training.workers, "threads that make batches ahead; results are the same", kCount),
      field("training.record_every", training.record_every, "steps between records; 0: one an epoch", kCount),
  };
  fields.push_back(preset_field(recipe));
  for (Field& part : sparsity::detail::fields_of(recipe.policy)) {
    part.key.insert(0, "policy.");
    fields.push_back(std::move(part));
  }
  fields.push_back(field("sparse", recipe.sparse, "whether the policy is in force; any key of [policy] says so"));
  fields.push_back(
      field("checkpoint.every", checkpoint.every, "steps between checkpoints; 0: at the end only", kCount));
  fields.push_back(field("checkpoint.keep", checkpoint.keep, "how many of the newest are kept", kPositive));
  return fields;
}

std::vector<RecipeKey> recipe_keys(const Recipe& recipe) {
  Recipe copy = recipe;
  std::vector<RecipeKey> keys;
  for (const Field& field : detail::fields_of(copy)) {
    keys.push_back({.key = field.key, .expects = field.expects, .value = field.get(), .help = field.help});
  }
  return keys;
}

std::vector<std::pair<std::string, std::string>> to_pairs(const Recipe& recipe) {
  Recipe copy = recipe;
  std::vector<std::pair<std::string, std::string>> pairs;
  for (const Field& field : detail::fields_of(copy)) pairs.emplace_back(field.key, field.get());
  return pairs;
}

void set(Recipe& recipe, std::string_view key, std::string_view value) {
  const Fields fields = detail::fields_of(recipe);
  const Field* field = sparsity::detail::find(fields, key);
  COPPICE_CHECK(field, "[recipe] ", sparsity::detail::unknown_key(fields, key));
  try {
    field->set(value);
  } catch (const Error& error) {
    coppice::detail::fail("[recipe] ", error.what());
  }
  if (key.starts_with("policy.")) recipe.sparse = true;
}

void validate(const Recipe& recipe) {
  COPPICE_CHECK((recipe.training.steps > 0) != (recipe.training.epochs > 0),
                "[recipe] expects either training.steps or training.epochs above 0; got ", recipe.training.steps,
                " and ", recipe.training.epochs);
  COPPICE_CHECK(recipe.model.name != "mlp" || recipe.model.widths.size() >= 2,
                "[recipe] model.widths expects at least the widths of input and output; got ",
                recipe.model.widths.size());
  if (recipe.sparse) recipe.policy.validate();
}

std::vector<detail::Variant> detail::variants(const std::vector<SweepAxis>& sweep) {
  std::size_t count = 1;
  for (const SweepAxis& axis : sweep) {
    COPPICE_CHECK(!axis.values.empty(), "[recipe] sweep.", axis.key, " expects at least one value; got none");
    count *= axis.values.size();
    COPPICE_CHECK(count <= kMostVariants, "[recipe] a sweep expects at most ", kMostVariants, " variants; got more");
  }
  std::vector<Variant> all(count);
  for (std::size_t number = 0; number < count; ++number) {
    Variant& variant = all[number];
    std::size_t block = count;  // variants that share the values of the axes so far
    for (const SweepAxis& axis : sweep) {
      const std::size_t outer = block;
      block /= axis.values.size();
      const std::string& value = axis.values[number % outer / block];
      variant.settings.emplace_back(axis.key, value);
      variant.label += variant.label.empty() ? "[" : ",";
      variant.label += axis.key.substr(axis.key.find('.') + 1);
      variant.label += '=';
      variant.label += value;
    }
    if (!variant.label.empty()) variant.label += ']';
  }
  return all;
}

std::vector<Recipe> expand(const Recipe& recipe) {
  std::vector<Recipe> recipes;
  for (const detail::Variant& variant : detail::variants(recipe.sweep)) {
    Recipe varied = recipe;
    varied.sweep.clear();
    varied.name += variant.label;
    for (const auto& [key, value] : variant.settings) set(varied, key, value);
    recipes.push_back(std::move(varied));
  }
  return recipes;
}

}  // namespace coppice::train
