#include <coppice/trainers/cli/trained.h>

#include <cstdio>
#include <string>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>

namespace coppice::train::cli {

Checkpoint open_checkpoint(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return load_checkpoint(path);
  const std::filesystem::path below = path / "checkpoints";
  LatestCheckpoint latest = latest_checkpoint(std::filesystem::is_directory(below) ? below : path);
  for (const std::string& warning : latest.warnings)
    std::fprintf(stderr, "coppice: passed over: %s\n", warning.c_str());
  COPPICE_CHECK(latest.checkpoint, path.string(), " holds no checkpoint that can be read");
  return std::move(*latest.checkpoint);
}

RecipeData random_data(const Recipe& recipe) {
  const std::string& set = recipe.data.set;
  const bool is_folder = set == "folder";
  if (is_folder && recipe.model.classes == 0) return load_data(recipe);
  const std::int64_t channels = is_folder ? recipe.model.channels : set == "cifar10" ? 3 : 1;
  const std::int64_t size = is_folder ? recipe.data.image_size : set == "cifar10" ? 32 : 28;
  const int classes = is_folder ? static_cast<int>(recipe.model.classes) : 10;
  const std::int64_t count = recipe.training.batch_size;
  Dataset examples{.name = "random",
                   .classes = classes,
                   .images = Tensor::empty({count, channels, size, size}, {.dtype = kUInt8}),
                   .labels = Tensor::zeros({count}, {.dtype = kUInt8})};
  Generator generator(1);
  for (std::int64_t i = 0; i < examples.images.numel(); ++i) {
    examples.images.data<std::uint8_t>()[i] = static_cast<std::uint8_t>(generator.below(256));
  }
  RecipeData data{.train = in_memory(examples), .normalisation = {.mean = {0.5}, .stddev = {0.25}}};
  for (std::int64_t i = 0; i < count; ++i) data.split.train.push_back(i);
  return data;
}

}  // namespace coppice::train::cli
