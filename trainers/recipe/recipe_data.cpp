#include <coppice/trainers/recipe/recipe_data.h>

#include <array>
#include <filesystem>
#include <numeric>

#include <coppice/core/error.h>
#include <coppice/sparsity/field.h>
#include <coppice/trainers/data/cifar10.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/image_folder.h>
#include <coppice/trainers/data/mnist.h>
#include <coppice/trainers/data/padded_crop.h>

namespace coppice::train {
namespace {

namespace fs = std::filesystem;

std::vector<std::int64_t> all_of(const ExampleSource& source) {
  std::vector<std::int64_t> positions(static_cast<std::size_t>(source.size()));
  std::iota(positions.begin(), positions.end(), std::int64_t{0});
  return positions;
}

/// Throws unless something stays to train on.
void check_parts(std::int64_t held_out, const ExampleSource& source) {
  COPPICE_CHECK(held_out < source.size(),
                "[recipe] data.validation_images and data.test_images expect to leave some of ", source.size(),
                " images in ", source.name(), "; got ", held_out);
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

/// What of `positions` stays after `count` of them went to the other part.
Split split_positions(const std::vector<std::int64_t>& positions, std::int64_t count, std::uint64_t seed) {
  Split parts = split(std::ssize(positions), count, seed);
  for (std::vector<std::int64_t>* part : {&parts.train, &parts.validation}) {
    for (std::int64_t& position : *part) position = positions[static_cast<std::size_t>(position)];
  }
  return parts;
}

using Folder = std::shared_ptr<const ImageFolder>;

/// Parts in folders of their own: train, and val or test or both.
RecipeData from_parts(const Recipe& recipe, const fs::path& root, const ImageTransform& seen,
                      const ImageTransform& plain) {
  const auto folder = std::make_shared<const ImageFolder>(root / "train", seen);
  const auto part = [&](const char* name) {
    const auto images = std::make_shared<const ImageFolder>(root / name, plain);
    COPPICE_CHECK(images->class_names() == folder->class_names(), "[recipe] ", images->name(),
                  " expects the classes of ", folder->name(), "; got others");
    return images;
  };
  const bool has_val = fs::is_directory(root / "val");
  const bool has_test = fs::is_directory(root / "test");
  COPPICE_CHECK(has_val || has_test, "[recipe] ", root.string(),
                " expects a folder val or test beside train; got none");
  const Folder test = part(has_test ? "test" : "val");
  RecipeData data{.train = folder, .test = test, .test_positions = all_of(*test)};
  if (has_val && has_test) {
    const Folder validation = part("val");
    data.validation = validation;
    data.split = {.train = all_of(*folder), .validation = all_of(*validation)};
  } else {
    check_parts(recipe.data.validation_images, *folder);
    data.validation = std::make_shared<const ImageFolder>(*folder, plain);
    data.split = split(folder->size(), recipe.data.validation_images, recipe.training.seed);
  }
  data.digest = digest(*folder) + digest(*test);
  return data;
}

RecipeData from_folder(const Recipe& recipe) {
  const DataOptions& options = recipe.data;
  COPPICE_CHECK(!options.path.empty(),
                "[recipe] data.set folder expects data.path, a folder with one folder for each class; got none");
  const fs::path root = options.path;
  const std::int64_t channels = recipe.model.channels == 1 ? 1 : 3;
  const ImageTransform plain = evaluation_transform(options.image_size, channels);
  const ImageTransform seen = options.augment ? training_transform(options.image_size, channels) : plain;
  RecipeData data;
  if (fs::is_directory(root / "train")) {
    data = from_parts(recipe, root, seen, plain);
  } else {
    const auto folder = std::make_shared<const ImageFolder>(root, seen);
    check_parts(options.test_images + options.validation_images, *folder);
    // Not by the seed of the training: the test part is the same for all of them.
    const Split outer = split(folder->size(), options.test_images, 0);
    data.train = folder;
    data.validation = data.test = std::make_shared<const ImageFolder>(*folder, plain);
    data.test_positions = outer.validation;
    data.split = split_positions(outer.train, options.validation_images, recipe.training.seed);
    data.digest = digest(*folder);
  }
  data.normalisation = imagenet_normalisation(channels);
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
    DataSet{"cifar10",
            [](const Recipe& recipe) {
              COPPICE_CHECK(!recipe.data.path.empty(),
                            "[recipe] data.set cifar10 expects data.path, the directory of its binary files; got none");
              RecipeData data = from_memory(recipe, cifar10(recipe.data.path));
              if (recipe.data.augment) data.train = augmented(data.train);
              return data;
            }},
    DataSet{"folder", from_folder},
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
