#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/data/dataset.h>
#include <coppice/trainers/data/examples.h>
#include <coppice/trainers/data/loader.h>
#include <coppice/trainers/recipe/recipe.h>

namespace coppice::train {

/// The data of a recipe: what is trained on, what choices are made by, and what is looked at once, at the end.
struct RecipeData {
  std::shared_ptr<const ExampleSource> train{};       ///< as training sees the images
  std::shared_ptr<const ExampleSource> validation{};  ///< the same, or others, as an evaluation sees them
  Split split{};                                      ///< positions in each of these two, by `training.seed`
  std::shared_ptr<const ExampleSource> test{};
  std::vector<std::int64_t> test_positions{};
  Normalisation normalisation{};
  std::vector<SourceFile> files{};  ///< what it was read from, with checksums; of idx files
  std::string digest{};             ///< equal only for the same examples in the same order
};

/// The names `data.set` takes, and the data of one.
///
/// A `folder` holds one folder for each class, of which images are held out to test with (the same ones for every
/// seed) and to validate; or such folders in `train`, `val` and `test`, of which `val` or `test` may be missing: then
/// validation is held out of `train`. Its images are normalised as ImageNet's.
COPPICE_API std::vector<std::string> data_set_names();
COPPICE_API RecipeData load_data(const Recipe& recipe);

/// Sets what a recipe leaves to its data: `model.classes` and `model.channels`.
COPPICE_API void complete(Recipe& recipe, const RecipeData& data);

}  // namespace coppice::train
