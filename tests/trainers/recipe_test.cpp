#include <coppice/trainers/recipe/recipe.h>

#include <gtest/gtest.h>

#include <map>
#include <set>

#include <coppice/trainers/data/image.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/recipe/recipe_data.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

TEST(Recipe, EveryFieldIsReachedByItsKey) {
  const std::map<std::string, std::string> changes = {
      {"name", "mine"},
      {"data.set", "mnist"},
      {"data.path", "/data, of mine"},
      {"data.train_images", "500"},
      {"data.test_images", "50"},
      {"data.validation_images", "40"},
      {"data.image_size", "32"},
      {"data.augment", "false"},
      {"model.name", "mnist_cnn"},
      {"model.widths", "784,20,10"},
      {"model.stem", "small"},
      {"model.freeze", "conv1,bn1"},
      {"model.width", "16"},
      {"model.classes", "7"},
      {"model.channels", "3"},
      {"model.weights", "start.safetensors"},
      {"training.epochs", "3"},
      {"training.batch_size", "32"},
      {"training.optimizer", "adamw"},
      {"training.learning_rate", "0.05"},
      {"training.schedule", "linear"},
      {"training.warmup_steps", "5"},
      {"training.end_factor", "0.01"},
      {"training.momentum", "0.8"},
      {"training.nesterov", "true"},
      {"training.beta1", "0.95"},
      {"training.beta2", "0.99"},
      {"training.epsilon", "1e-07"},
      {"training.weight_decay", "0.002"},
      {"training.seed", "9223372036854775807"},
      {"training.workers", "4"},
      {"training.record_every", "10"},
      {"sparse", "true"},
      {"checkpoint.every", "100"},
      {"checkpoint.keep", "1"},
  };
  const auto defaults = to_pairs(Recipe{});
  std::set<std::string> policy_keys;
  for (std::size_t i = 0; i < defaults.size(); ++i) {
    const std::string& key = defaults[i].first;
    if (key.starts_with("policy.")) {
      policy_keys.insert(key.substr(7));
      continue;
    }
    if (key == "training.steps") continue;
    ASSERT_TRUE(changes.contains(key)) << key;
    Recipe recipe;
    set(recipe, key, changes.at(key));
    auto expected = defaults;
    EXPECT_NE(expected[i].second, changes.at(key)) << key;
    expected[i].second = changes.at(key);
    EXPECT_EQ(to_pairs(recipe), expected) << key;
  }
  EXPECT_EQ(defaults.size(), changes.size() + 1 + policy_keys.size());
  EXPECT_EQ(policy_keys.size(), sparsity::MaskPolicy().to_pairs().size() + 1) << "every field, and preset";
}

TEST(Recipe, TheLastOfStepsAndEpochsWins) {
  Recipe recipe;
  set(recipe, "training.steps", "70");
  EXPECT_EQ(recipe.training.epochs, 0);
  EXPECT_EQ(training_steps(recipe.training, 100), 70);
  set(recipe, "training.epochs", "2");
  EXPECT_EQ(recipe.training.steps, 0);
  EXPECT_EQ(training_steps(recipe.training, 100), 200);
  validate(recipe);
  set(recipe, "training.epochs", "0");
  expect_error([&] { validate(recipe); },
               "[recipe] expects either training.steps or training.epochs above 0; got 0 and 0");
}

TEST(Recipe, APresetKeepsWhereWeightsLive) {
  Recipe recipe;
  EXPECT_FALSE(recipe.sparse);
  set(recipe, "policy.density", "0.02");
  set(recipe, "policy.dense_last", "true");
  set(recipe, "policy.interval", "7");
  EXPECT_TRUE(recipe.sparse);
  set(recipe, "policy.preset", "rigl");
  EXPECT_EQ(recipe.policy.density, 0.02);
  EXPECT_TRUE(recipe.policy.dense_last);
  EXPECT_EQ(recipe.policy.interval, sparsity::rigl().interval);
  EXPECT_EQ(recipe.policy.grow.name, "dense_gradient");
  set(recipe, "sparse", "false");
  EXPECT_FALSE(recipe.sparse);
}

TEST(Recipe, SaysWhatAKeyTakes) {
  Recipe recipe;
  expect_error([&] { set(recipe, "policy.intervall", "5"); },
               "[recipe] unknown key 'policy.intervall'; did you mean 'policy.interval'?");
  expect_error([&] { set(recipe, "training.batch_size", "0"); },
               "[recipe] training.batch_size expects an integer of 1 or more; got '0'");
  expect_error([&] { set(recipe, "training.batch_size", "1e3"); },
               "[recipe] training.batch_size expects an integer of 1 or more; got '1e3'");
  expect_error([&] { set(recipe, "training.seed", "9223372036854775808"); },
               "[recipe] training.seed expects an integer of 0 or more; got '9223372036854775808'");
  expect_error([&] { set(recipe, "training.learning_rate", "nan"); },
               "[recipe] training.learning_rate expects a number of 0 or more; got 'nan'");
  expect_error([&] { set(recipe, "training.optimizer", "adam"); },
               "[recipe] training.optimizer expects one of sgd, adamw; got 'adam'; did you mean 'adamw'?");
  expect_error([&] { set(recipe, "model.widths", "784,,10"); },
               "[recipe] model.widths expects a list of integers, each of 1 or more; got '784,,10'");
  expect_error([&] { set(recipe, "policy.preset", "rigel"); },
               "[recipe] policy.preset expects one of custom, dense, static, set, rigl, rigl_itop, iee, "
               "iee_no_exploration; got 'rigel'; did you mean 'rigl'?");
  EXPECT_EQ(to_pairs(recipe), to_pairs(Recipe{})) << "a refused value leaves the recipe alone";
}

TEST(Recipe, ASweepVariesItsLastKeyFastest) {
  Recipe recipe{.name = "mine"};
  recipe.sweep = {{"policy.interval", {"50", "100"}}, {"training.learning_rate", {"0.1", "0.01", "0.001"}}};
  const std::vector<Recipe> variants = expand(recipe);
  ASSERT_EQ(variants.size(), 6U);
  EXPECT_EQ(variants[0].name, "mine[interval=50,learning_rate=0.1]");
  EXPECT_EQ(variants[1].name, "mine[interval=50,learning_rate=0.01]");
  EXPECT_EQ(variants[3].name, "mine[interval=100,learning_rate=0.1]");
  EXPECT_EQ(variants[5].policy.interval, 100);
  EXPECT_EQ(variants[5].training.learning_rate, 0.001);
  EXPECT_EQ(expand(Recipe{}).size(), 1U);
  recipe.sweep[0].values.assign(334, "1");
  EXPECT_NE(error_of([&] { expand(recipe); }).find("at most 1000 variants"), std::string::npos);
}

TEST(Build, MakesWhatTheRecipeNames) {
  for (const std::string& name : model_names()) {
    Recipe recipe;
    set(recipe, "model.name", name);
    recipe.model.width = 2;
    recipe.model.classes = 10;
    recipe.model.channels = 1;
    const Tensor logits = (*build_model(recipe))(Tensor::zeros({2, 1, 28, 28}));
    EXPECT_EQ(logits.shape(), (Shape{2, 10})) << name;
  }
  Recipe recipe;
  recipe.model.name = "mpl";
  expect_error(
      [&] { build_model(recipe); },
      "[recipe] model.name expects one of mlp, mnist_cnn, resnet18, resnet34, resnet50, resnet101, resnet152, "
      "resnet20, resnet32, resnet56, wide_resnet22, mobilenet_v1, mobilenet_v2; got 'mpl'; did you mean 'mlp'?");
  recipe.model.name = "resnet18";
  expect_error([&] { build_model(recipe); },
               "[recipe] resnet18 expects model.classes and model.channels above 0; got 0 and 0");
}

TEST(Build, TakesTheWidthAsPublishedUnlessTold) {
  Recipe recipe;
  recipe.model = {.name = "resnet20", .classes = 10, .channels = 3};
  EXPECT_EQ(build_model(recipe)->parameter_count(), 272474);
  recipe.model.width = 8;
  EXPECT_EQ(build_model(recipe)->parameter("conv1.weight").shape(), (Shape{8, 3, 3, 3}));
  recipe.model = {.name = "resnet18", .stem = models::ResNetStem::Small, .classes = 10, .channels = 3};
  EXPECT_EQ(build_model(recipe)->parameter_count(), 11173962);
}

TEST(RecipeData, SplitsWhatTheRecipeNames) {
  Recipe recipe;
  recipe.data = {.train_images = 50, .test_images = 10, .validation_images = 8};
  recipe.training.seed = 3;
  const RecipeData data = load_data(recipe);
  EXPECT_EQ(data.train->size(), 50);
  EXPECT_EQ(data.test->size(), 10);
  EXPECT_EQ(data.test_positions.size(), 10U);
  EXPECT_EQ(data.split.train.size(), 42U);
  EXPECT_EQ(data.split.validation, split(50, 8, 3).validation);
  const Normalisation expected = measure_normalisation(*data.train, data.split.train);
  EXPECT_EQ(data.normalisation.mean, expected.mean);
  complete(recipe, data);
  EXPECT_EQ(recipe.model.classes, 10);
  EXPECT_EQ(recipe.model.channels, 1);
  recipe.model.classes = 12;
  complete(recipe, data);
  EXPECT_EQ(recipe.model.classes, 12);
  EXPECT_EQ(data.digest, load_data(recipe).digest);
  recipe.data.test_images = 20;
  EXPECT_NE(data.digest, load_data(recipe).digest);
  recipe.data.set = "mnist";
  expect_error([&] { load_data(recipe); },
               "[recipe] data.set mnist expects data.path, the directory of its four idx files; got none");
}

/// Writes `count` images into a folder.
void draw_folder(const std::filesystem::path& folder, int count) {
  std::filesystem::create_directories(folder);
  for (int i = 0; i < count; ++i) {
    std::string name = std::to_string(i);
    write_png(folder / (name += ".png"), Tensor::full({1, 8, 8}, i, {.dtype = kUInt8}));
  }
}

TEST(RecipeData, HoldsImagesOfAFolderOut) {
  const TemporaryFolder folder;
  draw_folder(folder / "a", 12);
  draw_folder(folder / "b", 8);
  Recipe recipe;
  recipe.data = {.set = "folder", .path = folder.path().string(), .test_images = 5, .validation_images = 4};
  recipe.data.image_size = 8;
  const RecipeData data = load_data(recipe);
  EXPECT_EQ(data.train->image_shape(), (Shape{3, 8, 8}));
  EXPECT_EQ(data.normalisation.mean, imagenet_normalisation().mean);
  EXPECT_EQ(data.split.train.size(), 11U);
  EXPECT_EQ(data.split.validation.size(), 4U);
  std::set<std::int64_t> positions(data.split.train.begin(), data.split.train.end());
  positions.insert(data.split.validation.begin(), data.split.validation.end());
  positions.insert(data.test_positions.begin(), data.test_positions.end());
  EXPECT_EQ(positions.size(), 20U);
  complete(recipe, data);
  EXPECT_EQ(recipe.model.classes, 2);
  EXPECT_EQ(recipe.model.channels, 3);
  recipe.training.seed = 1;
  EXPECT_EQ(load_data(recipe).test_positions, data.test_positions);
  EXPECT_NE(load_data(recipe).split.validation, data.split.validation);
  recipe.data.validation_images = 15;
  expect_error([&] { load_data(recipe); },
               "[recipe] data.validation_images and data.test_images expect to leave some of 20 images in " +
                   folder.path().string() + "; got 20");
}

TEST(RecipeData, TakesThePartsOfAFolder) {
  const TemporaryFolder folder;
  for (const char* part : {"train/a", "train/b", "val/a", "val/b"}) draw_folder(folder / part, part[0] == 't' ? 6 : 2);
  Recipe recipe;
  recipe.data = {.set = "folder", .path = folder.path().string(), .validation_images = 5, .image_size = 8};
  RecipeData data = load_data(recipe);
  EXPECT_EQ(data.split.train.size(), 7U);
  EXPECT_EQ(data.split.validation.size(), 5U);
  EXPECT_EQ(data.test_positions.size(), 4U);
  EXPECT_EQ(data.test->name(), (folder / "val").string());
  EXPECT_EQ(data.validation->size(), 12);
  draw_folder(folder / "test/a", 3);
  expect_error([&] { load_data(recipe); }, "[recipe] " + (folder / "test").string() + " expects the classes of " +
                                               (folder / "train").string() + "; got others");
  draw_folder(folder / "test/b", 3);
  data = load_data(recipe);
  EXPECT_EQ(data.split.train.size(), 12U);
  EXPECT_EQ(data.split.validation.size(), 4U);
  EXPECT_EQ(data.validation->name(), (folder / "val").string());
  EXPECT_EQ(data.test_positions.size(), 6U);
}

TEST(Build, WarmsUpThenFalls) {
  TrainingOptions training{.warmup_steps = 4, .end_factor = 0.5};
  for (const auto schedule : {LearningRateSchedule::Cosine, LearningRateSchedule::Linear}) {
    training.schedule = schedule;
    const auto factor = build_schedule(training, 104);
    EXPECT_GT(factor(0), 0.0);
    EXPECT_LT(factor(0), factor(2));
    EXPECT_DOUBLE_EQ(factor(4), 1.0);
    EXPECT_DOUBLE_EQ(factor(54), 0.75);
    EXPECT_DOUBLE_EQ(factor(104), 0.5);
  }
  training.schedule = LearningRateSchedule::Constant;
  EXPECT_EQ(build_schedule(training, 104)(100), 1.0);
}

}  // namespace
}  // namespace coppice::train
