#pragma once

#include <filesystem>

#include <coppice/trainers/checkpoint.h>
#include <coppice/trainers/recipe/recipe_data.h>

namespace coppice::train::cli {

/// A checkpoint file, or the newest in a training's directory; says on standard error which were passed over.
Checkpoint open_checkpoint(const std::filesystem::path& path);

/// A batch of random examples of the shape that the recipe's data has: kernels take as long on them. A folder whose
/// classes the recipe does not number is read instead.
RecipeData random_data(const Recipe& recipe);

}  // namespace coppice::train::cli
