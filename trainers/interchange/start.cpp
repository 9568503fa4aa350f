#include <coppice/trainers/interchange/start.h>

#include <coppice/core/io/atomic_file.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/trainers/reactivation/recipe.h>
#include <nlohmann/json.hpp>

namespace coppice::train {
namespace {

void save_positions(const std::filesystem::path& file, const std::vector<std::int64_t>& positions) {
  save_npy(file, Tensor::of(positions));
}

std::string describe(const Start& start) {
  using Json = nlohmann::ordered_json;
  Json fields = Json::object();
  for (const auto& [key, value] : to_pairs(start.recipe)) fields[key] = value;
  const Json json = {{"batch_size", start.recipe.training.batch_size},
                     {"steps", start.setup.steps},
                     {"batches_per_epoch", start.setup.loader->batches()},
                     {"seed", start.recipe.training.seed},
                     {"mean", start.data.normalisation.mean},
                     {"stddev", start.data.normalisation.stddev},
                     {"data_sha256", start.data.digest},
                     {"recipe", fields}};
  return json.dump(2) + '\n';
}

}  // namespace

Start start_of(const Recipe& recipe, std::int64_t epochs) {
  COPPICE_CHECK(epochs >= 1, "[export] expects 1 epoch or more; got ", epochs);
  validate(recipe);
  Start start{.recipe = recipe, .data = load_data(recipe), .setup = {}, .orders = {}};
  complete(start.recipe, start.data);
  start.setup = set_up(start.recipe, start.data);
  for (std::int64_t epoch = 0; epoch < epochs; ++epoch) {
    std::vector<std::int64_t> order = start.setup.loader->order(epoch);
    order.resize(static_cast<std::size_t>(start.setup.loader->batches() * start.recipe.training.batch_size));
    start.orders.push_back(std::move(order));
  }
  return start;
}

void save_start(const std::filesystem::path& directory, const Start& start) {
  std::filesystem::create_directories(directory / "weights");
  nn::save_pruned(directory / "start.safetensors", *start.setup.model, PrunedView::Dense);
  for (const nn::NamedTensor& entry : nn::masked_state_dict(*start.setup.model)) {
    const std::string name = entry.name + ".npy";
    save_npy(directory / "weights" / name, entry.tensor);
    if (!entry.tensor.is_masked()) continue;
    std::filesystem::create_directories(directory / "masks");
    save_npy(directory / "masks" / name, entry.tensor.weight_state().alive().to_tensor());
  }
  for (std::size_t epoch = 0; epoch < start.orders.size(); ++epoch) {
    save_positions(directory / ("order-epoch-" + std::to_string(epoch) + ".npy"), start.orders[epoch]);
  }
  save_positions(directory / "split-train.npy", start.data.split.train);
  save_positions(directory / "split-validation.npy", start.data.split.validation);
  save_text(directory / "start.json", describe(start));
  write_recipe(directory / "recipe.resolved.toml", start.recipe);
}

Recipe reactivation_recipe(std::string_view method, double sparsity, std::uint64_t seed, std::string_view scale,
                           const std::string& data) {
  const reactivation::Method& row = reactivation::method(method);
  const bool sparse = row.kind == reactivation::Kind::Sparse;
  COPPICE_CHECK(sparse || row.kind == reactivation::Kind::Dense, "[export] the start of ", row.name,
                " depends on what other rows cost; export one of the rows it is compared with");
  COPPICE_CHECK(!sparse || (sparsity > 0.0 && sparsity < 1.0), "[export] expects a sparsity in (0, 1); got ", sparsity);
  const reactivation::Training training = reactivation::training(scale);
  Recipe recipe;
  recipe.name = row.name;
  recipe.data.set = training.dataset;
  recipe.data.path = data;
  if (training.train_images > 0) recipe.data.train_images = training.train_images;
  if (training.test_images > 0) recipe.data.test_images = training.test_images;
  recipe.data.validation_images = training.validation_images;
  recipe.model.widths = training.widths;
  recipe.training.steps = training.steps;
  recipe.training.epochs = 0;
  recipe.training.batch_size = training.batch_size;
  recipe.training.learning_rate = training.learning_rate;
  recipe.training.momentum = training.momentum;
  recipe.training.weight_decay = training.weight_decay;
  recipe.training.seed = seed;
  recipe.sparse = sparse;
  if (sparse) {
    recipe.preset = row.preset;
    recipe.policy = reactivation::policy(row, 1.0 - sparsity, training.steps);
  }
  return recipe;
}

}  // namespace coppice::train
