// docs/examples/finetune.cpp, as a user runs it.

#include <gtest/gtest.h>

#include <sys/wait.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>
#include <sstream>
#include <string>

#include <coppice/core/io/pruned.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/fine_tune.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/resnet.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/image.h>

#include "tests/core/io/temporary_folder.h"

namespace coppice::train {
namespace {

/// PNGs of the engine's digits, one folder and one colour for each of up to three classes.
void draw_digits(const std::filesystem::path& root, int classes, std::int64_t count) {
  const Dataset set = digits(count);
  for (std::int64_t i = 0; i < count; ++i) {
    const int digit = set.labels.data<std::uint8_t>()[i];
    if (digit >= classes) continue;
    const std::filesystem::path folder = root / std::string(1, static_cast<char>('a' + digit));
    std::filesystem::create_directories(folder);
    const Tensor image = Tensor::zeros({3, set.height(), set.width()}, {.dtype = kUInt8});
    image.select(0, digit).copy_(set.images.select(0, i));
    std::string name = std::to_string(i);
    write_png(folder / (name += ".png"), image);
  }
}

struct Ran {
  int status = 0;
  std::string output{};
};

Ran run_example(const std::string& arguments) {
  const std::string command = std::string(COPPICE_FINETUNE_EXAMPLE) + ' ' + arguments + " 2>&1";
  Ran ran;
  FILE* pipe = ::popen(command.c_str(), "r");
  for (int c = std::fgetc(pipe); c != EOF; c = std::fgetc(pipe)) ran.output += static_cast<char>(c);
  const int status = ::pclose(pipe);
  ran.status = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
  return ran;
}

TEST(FinetuneExample, LearnsWithSurvivorsAndNothingElse) {
  const TemporaryFolder folder;
  draw_digits(folder / "images", 3, 240);
  // The network a user brings, pruned to a tenth, with another head.
  const auto pruned = models::resnet18({.num_classes = 1000, .seed = 4});
  sparsity::make_sparse(*pruned, {.density = 0.1, .distribution = sparsity::Distribution::Uniform}, 2);
  nn::save_pruned(folder / "pruned.safetensors", *pruned);

  const Ran ran = run_example((folder / "images").string() + ' ' + (folder / "out.safetensors").string() + " 32 12 " +
                              (folder / "pruned.safetensors").string());
  ASSERT_EQ(ran.status, 0) << ran.output;
  std::vector<double> losses;
  std::istringstream words(ran.output);
  std::string word;
  double accuracy = -1.0;
  while (words >> word) {
    if (word == "loss") words >> losses.emplace_back();
    if (word == "accuracy") words >> accuracy;
  }
  ASSERT_EQ(losses.size(), 12U) << ran.output;
  const auto mean_of = [&](std::size_t first) { return (losses[first] + losses[first + 1] + losses[first + 2]) / 3.0; };
  EXPECT_LT(mean_of(9), 0.6 * mean_of(0)) << ran.output;
  EXPECT_GE(accuracy, 0.0);
  EXPECT_LE(accuracy, 100.0);

  const std::map<std::string, Tensor> tuned = join_pruned(load_safetensors(folder / "out.safetensors").tensors);
  EXPECT_EQ(tuned.at("fc.weight").shape(), (Shape{3, 512}));
  std::int64_t changed = 0;
  for (const nn::NamedTensor& before : pruned->named_parameters()) {
    if (before.name.starts_with("fc.")) continue;
    const Tensor& after = tuned.at(before.name);
    const bool frozen = before.name.starts_with("conv1.") || before.name.starts_with("bn1.");
    EXPECT_EQ(bit_equal(after.to_dense(), before.tensor.to_dense()), frozen) << before.name;
    if (!before.tensor.is_masked()) continue;
    ASSERT_TRUE(after.is_masked()) << before.name;
    const Mask& alive = before.tensor.weight_state().alive();
    EXPECT_TRUE(after.weight_state().alive() == alive) << before.name;
    EXPECT_EQ((Mask::from_nonzero(after.to_dense()) - alive).count(), 0) << before.name;
    ++changed;
  }
  EXPECT_EQ(changed, 20);  // all convolutions
}

TEST(FinetuneExample, MakesItsOwnPrunedNetwork) {
  const TemporaryFolder folder;
  draw_digits(folder / "images", 2, 120);
  const Ran ran = run_example((folder / "images").string() + ' ' + (folder / "out.safetensors").string() + " 32 1");
  ASSERT_EQ(ran.status, 0) << ran.output;
  std::int64_t alive = 0, weights = 0;
  for (const auto& [name, tensor] : join_pruned(load_safetensors(folder / "out.safetensors").tensors)) {
    if (!tensor.is_masked()) continue;
    alive += tensor.weight_state().alive().count();
    weights += tensor.numel();
  }
  EXPECT_GT(weights, 10'000'000);
  EXPECT_NEAR(static_cast<double>(alive) / static_cast<double>(weights), 0.1, 0.03);
}

TEST(FinetuneExample, HasFortyLines) {
  std::ifstream source(COPPICE_SOURCE_DIR "/docs/examples/finetune.cpp");
  int lines = 0;
  for (std::string line; std::getline(source, line);) {
    const std::size_t first = line.find_first_not_of(' ');
    lines += first != std::string::npos && line.compare(first, 2, "//") != 0 ? 1 : 0;
  }
  EXPECT_GT(lines, 20);
  EXPECT_LE(lines, 40);
}

TEST(FinetuneExample, SaysWhatIsWrong) {
  EXPECT_EQ(run_example("/nonexistent out.safetensors").status, 1);
  EXPECT_NE(run_example("/nonexistent out.safetensors").output.find("[ImageFolder] /nonexistent"), std::string::npos);
}

}  // namespace
}  // namespace coppice::train
