#include <coppice/trainers/recipe/recipe_data.h>

#include <array>
#include <numeric>

#include <coppice/core/error.h>
#include <coppice/sparsity/field.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/mnist.h>

namespace coppice::train {
namespace {

std::vector<std::int64_t> all_of(const ExampleSource& source) {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(source.size()));
  std::iota(positions.begin(), positions.end(), std::int64_t{0});
  return positions;
}

RecipeData from_memory(const Recipe& recipe, const TrainTest& parts) {
  RecipeData data;
  data.train = in_memory(parts.train);
  data.validation = data.train;
  data.split = split(data.train->size(), recipe.data.validation_images, recipe.training.seed);
  data.test = in_memory(parts.test);
  data.test_positions = all_of(*data.test);
  data.normalisation = measure_normalisation(*data.train, data.split.train);
  data.files = parts.train.files;
  data.files.insert(data.files.end(), parts.test.files.begin(), parts.test.files.end());
  data.digest = digest(parts.train) + digest(parts.test);
  return data;
}

struct DataSet {
  const char* name;
  RecipeData (*load)(const Recipe& recipe);
};

constexpr std::array kDataSets{
    DataSet{"digits",
            [](const Recipe& recipe) {
              const DataOptions& data = recipe.data;
              return from_memory(
                  recipe, {.train = digits(data.train_images), .test = digits(data.test_images, {}, Part::Test)});
            }},
    DataSet{"mnist",
            [](const Recipe& recipe) {
              COPPICE_CHECK(!recipe.data.path.empty(),
                            "[recipe] data.set mnist expects data.path, the directory of its four idx files; got none");
              return from_memory(recipe, mnist(recipe.data.path));
            }},
};

}  // namespace

std::vector<std::string> data_set_names() {
  std::vector<std::string> all;
  for (const DataSet& set : kDataSets) all.emplace_back(set.name);
  return all;
}

RecipeData load_data(const Recipe& recipe) {
  return kDataSets.at(sparsity::detail::word_index(data_set_names(), recipe.data.set, "[recipe] data.set "))
      .load(recipe);
}

void complete(Recipe& recipe, const RecipeData& data) {
  if (recipe.model.classes == 0) recipe.model.classes = data.train->classes();
  if (recipe.model.channels == 0) recipe.model.channels = data.train->image_shape()[0];
}

}  // namespace coppice::train
