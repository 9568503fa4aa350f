// `coppice train` fine-tuning a pruned network on a folder of images.

#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <string>

#include <coppice/core/generator.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/data/image.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/train.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

/// Two classes of noise of different brightness.
void draw_images(const std::filesystem::path& root) {
  Generator generator(3);
  for (int i = 0; i < 40; ++i) {
    const std::filesystem::path folder = root / (i % 2 == 0 ? "dark" : "light");
    std::filesystem::create_directories(folder);
    const std::int64_t level = i % 2 == 0 ? 0 : 100;
    std::string name = std::to_string(i);
    write_png(folder / (name += ".png"),
              Tensor::randint(level, level + 156, {3, 20, 18}, generator, {.dtype = kUInt8}));
  }
}

Recipe folder_recipe(const std::filesystem::path& images, const std::filesystem::path& weights) {
  Recipe recipe;
  recipe.data = {.set = "folder", .path = images.string(), .test_images = 8, .validation_images = 6, .image_size = 16};
  recipe.model.name = "resnet18";
  recipe.model.stem = models::ResNetStem::Small;
  recipe.model.width = 4;
  recipe.model.weights = weights.string();
  recipe.model.freeze = {"conv1", "bn1"};
  set(recipe, "training.steps", "8");
  recipe.training.batch_size = 6;
  recipe.training.learning_rate = 0.02;
  return recipe;
}

TEST(TrainFolder, ThePagesRecipeIsOne) {
  const std::string page = read_bytes(COPPICE_SOURCE_DIR "/docs/finetuning.md");
  const std::size_t begin = page.find("```toml\n") + 8;
  const Recipe recipe = parse_recipe(page.substr(begin, page.find("```", begin) - begin), "finetuning.md");
  EXPECT_EQ(recipe.data.set, "folder");
  EXPECT_EQ(recipe.model.freeze, (std::vector<std::string>{"conv1", "bn1"}));
  EXPECT_FALSE(recipe.sparse);
}

TEST(TrainFolder, TunesSurvivorsTheSameHoweverItIsInterrupted) {
  const TemporaryFolder folder;
  draw_images(folder / "images");
  Recipe pretraining = folder_recipe(folder / "images", "");
  pretraining.model.classes = 5;
  pretraining.model.channels = 3;
  const auto pruned = build_model(pretraining);
  sparsity::make_sparse(*pruned, {.density = 0.2, .distribution = sparsity::Distribution::Uniform}, 1);
  nn::save_pruned(folder / "pruned.safetensors", *pruned);

  Recipe recipe = folder_recipe(folder / "images", folder / "pruned.safetensors");
  std::string note;
  const TrainResult whole = train(recipe, folder / "whole", {.on_note = [&](const std::string& text) { note = text; }});
  EXPECT_NE(note.find("of another shape fc.bias, fc.weight"), std::string::npos) << note;
  EXPECT_EQ(whole.test->count, 8);
  EXPECT_EQ(read_recipe(folder / "whole/recipe.resolved.toml").model.classes, 2);

  recipe.training.workers = 3;
  std::atomic<bool> stop{false};
  train(recipe, folder / "parts", {.stop = &stop, .on_step = [&](std::int64_t done) { stop = done >= 3; }});
  const TrainResult parts = train(recipe, folder / "parts", {.resume = true});
  EXPECT_EQ(parts.test->loss, whole.test->loss);
  const std::map<std::string, Tensor> tuned = load_safetensors(whole.checkpoint).tensors;
  for (const auto& [name, tensor] : load_safetensors(parts.checkpoint).tensors) {
    EXPECT_TRUE(bit_equal(tensor.to_dense(), tuned.at(name).to_dense())) << name;
  }
  EXPECT_LT(static_cast<double>(whole.alive), 0.25 * static_cast<double>(whole.weights));

  // What was frozen is as it came; what is dead is 0.
  const TrainingSetup setup = set_up(recipe_of(load_checkpoint(whole.checkpoint)), load_data(recipe));
  restore(load_checkpoint(whole.checkpoint), setup.trainee());
  EXPECT_TRUE(
      bit_equal(setup.model->parameter("conv1.weight").to_dense(), pruned->parameter("conv1.weight").to_dense()));
  EXPECT_TRUE(bit_equal(setup.model->state_dict().at("bn1.running_mean"), pruned->state_dict().at("bn1.running_mean")));
  const Tensor& weight = setup.model->parameter("layer2.0.conv1.weight");
  const Mask& alive = pruned->parameter("layer2.0.conv1.weight").weight_state().alive();
  EXPECT_TRUE(weight.weight_state().alive() == alive);
  EXPECT_EQ((Mask::from_nonzero(weight.to_dense()) - alive).count(), 0);
  EXPECT_FALSE(bit_equal(weight.to_dense(), pruned->parameter("layer2.0.conv1.weight").to_dense()));

  set(recipe, "policy.preset", "rigl");
  EXPECT_NE(error_of([&] { train(recipe, folder / "other"); }).find("model.freeze expects no [policy]"),
            std::string::npos);
}

}  // namespace
}  // namespace coppice::train
