#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/trainers/recipe/recipe.h>
#include <coppice/trainers/train.h>

namespace coppice::train {

/// Where a training begins: for another framework to begin at the same place.
struct Start {
  Recipe recipe{};        ///< as resolved with its data
  RecipeData data{};      ///< split and normalisation are those of the training
  TrainingSetup setup{};  ///< the model before its first step, Masked where the recipe is sparse
  /// Of each epoch from the first: positions in the training images, in the order they are served. Batch b of an epoch
  /// is the b-th run of `training.batch_size` of them.
  std::vector<std::vector<std::int64_t>> orders{};
};

/// The start of a training by a recipe; orders of the first `epochs` epochs.
COPPICE_API Start start_of(const Recipe& recipe, std::int64_t epochs = 1);

/// Writes a start into a directory, for readers without this library (docs/interchange.md):
/// `start.safetensors` (weights, zeros where nothing is alive, and `<weight>_mask`), the same as `weights/<name>.npy`
/// and `masks/<name>.npy`, `order-epoch-<n>.npy`, `split-train.npy`, `split-validation.npy`, `start.json` (sizes,
/// normalisation, the resolved fields) and `recipe.resolved.toml`.
COPPICE_API void save_start(const std::filesystem::path& directory, const Start& start);

/// The recipe of one run of `coppice reproduce reactivation`: initial weights, split, order of the data and first mask
/// of its training are those of that run. `data` is MNIST's directory, for scale `small`. Throws `[export] …` for rows
/// whose size or length depends on other rows.
COPPICE_API Recipe reactivation_recipe(std::string_view method, double sparsity, std::uint64_t seed,
                                       std::string_view scale = "quick", const std::string& data = {});

}  // namespace coppice::train
