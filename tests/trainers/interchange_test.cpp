#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <coppice/core/io/npy.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/interchange/start.h>
#include <coppice/trainers/interchange/weights.h>
#include <coppice/trainers/reactivation/recipe.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

/// A row of the reactivation table on few images, seed 3.
Recipe small_row(const char* method) {
  Recipe recipe = reactivation_recipe(method, 0.9, 3);
  recipe.data.train_images = 300;
  recipe.data.test_images = 20;
  recipe.data.validation_images = 60;
  return recipe;
}

TEST(Export, AStartIsThatOfTheRun) {
  const TemporaryFolder folder;
  save_start(folder.path(), start_of(small_row("iee"), 3));

  // As reactivation/run.cpp begins.
  const reactivation::Training training = reactivation::training("quick");
  const std::shared_ptr<nn::Sequential> model = models::mlp(training.widths, 3);
  sparsity::make_sparse(*model, reactivation::policy(reactivation::method("iee"), 1.0 - 0.9, training.steps), 3);
  const Dataset images = digits(300);
  const Split parts = split(300, 60, 3);
  const Normalisation normalisation = measure_normalisation(images, parts.train);
  DataLoader loader(images, parts.train,
                    {.batch_size = training.batch_size, .seed = 3, .normalisation = normalisation});

  const Safetensors start = load_safetensors(folder / "start.safetensors");
  int sparse = 0;
  for (const nn::NamedTensor& entry : nn::masked_state_dict(*model)) {
    const Tensor dense = entry.tensor.to_dense();
    EXPECT_TRUE(bit_equal(start.tensors.at(entry.name), dense)) << entry.name;
    EXPECT_TRUE(bit_equal(load_npy(folder.path() / "weights" / (entry.name + ".npy")), dense)) << entry.name;
    ASSERT_EQ(start.tensors.contains(entry.name + "_mask"), entry.tensor.is_masked());
    if (!entry.tensor.is_masked()) continue;
    ++sparse;
    const Mask& alive = entry.tensor.weight_state().alive();
    EXPECT_TRUE(Mask::from_nonzero(start.tensors.at(entry.name + "_mask")) == alive);
    EXPECT_TRUE(Mask::from_tensor(load_npy(folder.path() / "masks" / (entry.name + ".npy"))) == alive);
  }
  EXPECT_GE(sparse, 2);
  for (std::int64_t epoch = 0; epoch < 3; ++epoch) {
    const Tensor order = load_npy(folder / ("order-epoch-" + std::to_string(epoch) + ".npy"));
    ASSERT_EQ(order.numel(), loader.batches() * training.batch_size);
    const std::vector<std::int64_t> positions = order.to_vector<std::int64_t>();
    loader.start(epoch);
    for (std::int64_t batch = 0; batch < loader.batches(); ++batch) {
      const std::vector<std::int64_t> labels = loader.next()->labels.to_vector<std::int64_t>();
      for (std::size_t i = 0; i < labels.size(); ++i) {
        const std::int64_t position = positions[static_cast<std::size_t>(batch * training.batch_size) + i];
        ASSERT_EQ(labels[i], images.labels.data<std::uint8_t>()[position]);
      }
    }
  }
  EXPECT_EQ(load_npy(folder / "split-train.npy").to_vector<std::int64_t>(), parts.train);
  EXPECT_EQ(load_npy(folder / "split-validation.npy").to_vector<std::int64_t>(), parts.validation);
  const nlohmann::json json = nlohmann::json::parse(read_bytes(folder / "start.json"));
  EXPECT_EQ(json["mean"], normalisation.mean);
  EXPECT_EQ(json["stddev"], normalisation.stddev);
  EXPECT_EQ(json["batches_per_epoch"], loader.batches());
  EXPECT_EQ(json["recipe"]["policy.preset"], "iee");
  EXPECT_EQ(read_recipe(folder / "recipe.resolved.toml").training.seed, 3U);
}

TEST(Export, ADenseStartHasNoMasks) {
  const TemporaryFolder folder;
  save_start(folder.path(), start_of(small_row("dense")));
  EXPECT_EQ(load_safetensors(folder / "start.safetensors").tensors.size(), 6U);
  EXPECT_FALSE(std::filesystem::exists(folder / "masks"));
  EXPECT_FALSE(std::filesystem::exists(folder / "order-epoch-1.npy"));
}

TEST(Export, RefusesRowsThatDependOnOthers) {
  EXPECT_NE(error_of([] { reactivation_recipe("small_dense", 0.9, 0); }).find("depends on what other rows cost"),
            std::string::npos);
  EXPECT_NE(error_of([] { reactivation_recipe("iee", 1.5, 0); }), "");
  EXPECT_NE(error_of([] { reactivation_recipe("nonsense", 0.9, 0); }), "");
  EXPECT_NE(error_of([] { start_of(small_row("iee"), 0); }), "");
}

TEST(Export, TheNetworkOfACheckpointComesOutAlone) {
  const TemporaryFolder folder;
  const Start start = start_of(small_row("iee"));
  const std::filesystem::path checkpoint = save_checkpoint(folder.path(), start.setup.trainee(), {}, {});
  for (const PrunedView view : {PrunedView::Pairs, PrunedView::Dense}) {
    export_weights(checkpoint, folder / "out", view);
    const Safetensors raw = load_safetensors(folder / "out");
    EXPECT_EQ(raw.tensors.contains("fc1.weight_orig"), view == PrunedView::Pairs);
    const std::shared_ptr<nn::Sequential> loaded = models::mlp({784, 300, 100, 10}, 9);
    nn::load_pruned(*loaded, folder / "out");
    for (const nn::NamedTensor& entry : nn::masked_state_dict(*start.setup.model)) {
      EXPECT_EQ(loaded->parameter(entry.name).is_masked(), entry.tensor.is_masked());
      EXPECT_TRUE(bit_equal(loaded->parameter(entry.name).to_dense(), entry.tensor.to_dense())) << entry.name;
    }
  }
  std::string damaged = read_bytes(checkpoint);
  damaged[damaged.size() - 3] = static_cast<char>(damaged[damaged.size() - 3] ^ 1);
  write_bytes(folder / "damaged", damaged);
  EXPECT_NE(error_of([&] { export_weights(folder / "damaged", folder / "out2", PrunedView::Pairs); }), "");
  EXPECT_FALSE(std::filesystem::exists(folder / "out2"));
}

}  // namespace
}  // namespace coppice::train
