#include <coppice/trainers/inspect/inspect.h>

#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include <coppice/core/generator.h>
#include <coppice/core/io/idx.h>
#include <coppice/core/io/npy.h>
#include <coppice/core/io/pruned.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/trainers/checkpoint.h>
#include <coppice/trainers/results.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train {
namespace {

using Tensors = std::map<std::string, Tensor>;

/// (8, 10) with 20 alive, 4 of them dormant after a prune, and a momentum.
Tensor sparse_weight() {
  Generator generator(5);
  const Tensor weight = Tensor::masked(Tensor::randn({8, 10}, generator), Mask::random({8, 10}, 20, generator));
  WeightState& state = weight.weight_state();
  state.state("momentum");
  std::vector<std::int64_t> dropped;
  for (std::int64_t slot : {2, 3, 7, 11}) dropped.push_back(state.alive().select(slot));
  state.prune(Mask::from_positions({8, 10}, dropped), Dormant::Keep);
  return weight;
}

Tensor bias() { return Tensor::of<float>({1, 0, 2}); }

const InspectedTensor& tensor_of(const Inspection& inspection, const std::string& name) {
  for (const InspectedTensor& entry : inspection.tensors) {
    if (entry.name == name) return entry;
  }
  throw Error("no tensor " + name);
}

TEST(Inspect, SeesEveryViewOfASparseWeight) {
  const TemporaryFolder folder;
  const Tensor weight = sparse_weight();
  const Tensors own{{"fc.weight", weight}, {"fc.bias", bias()}};
  save_safetensors(folder / "masked", {.tensors = own, .metadata = {{"step", "12"}}}, MaskedView::Masked);
  save_safetensors(folder / "dense", {.tensors = own});
  save_safetensors(folder / "pairs", {.tensors = split_pruned(own)});
  save_safetensors(folder / "beside", {.tensors = split_pruned(own, PrunedView::Dense)});

  struct Case {
    const char* file;
    const char* layout;
    std::int64_t dormant;
    std::int64_t file_bytes;
  };
  // Masked: 16 values, 16 of momentum, 4 dormant ones, and two sets of 10 bytes.
  for (const Case& c : {Case{"masked", "masked", 4, 36 * 4 + 20}, Case{"dense", "dense", 0, 320},
                        Case{"pairs", "pair", 0, 640}, Case{"beside", "pair", 0, 640}}) {
    SCOPED_TRACE(c.file);
    const Inspection found = inspect(folder / c.file);
    EXPECT_EQ(found.format, "safetensors");
    EXPECT_EQ(found.bytes, static_cast<std::int64_t>(std::filesystem::file_size(folder / c.file)));
    ASSERT_EQ(found.tensors.size(), 2U);
    const InspectedTensor& entry = tensor_of(found, "fc.weight");
    EXPECT_EQ(entry.layout, c.layout);
    EXPECT_EQ(entry.shape, (Shape{8, 10}));
    EXPECT_EQ(entry.alive, 16);
    EXPECT_EQ(entry.density(), 0.2);
    EXPECT_EQ(entry.stored, std::string(c.layout) == "dense" ? 80 : 16);
    EXPECT_EQ(entry.dormant, c.dormant);
    EXPECT_EQ(entry.file_bytes, c.file_bytes);
    EXPECT_EQ(tensor_of(found, "fc.bias").alive, 2);
    EXPECT_EQ(tensor_of(found, "fc.bias").file_bytes, 12);
    EXPECT_TRUE(found.notes.empty());
  }
  const Inspection masked = inspect(folder / "masked");
  EXPECT_EQ(tensor_of(masked, "fc.weight").memory_bytes, weight.weight_state().bytes());
  EXPECT_EQ(tensor_of(masked, "fc.weight").states, std::vector<std::string>{"momentum"});
  EXPECT_EQ(masked.metadata, (std::vector<std::pair<std::string, std::string>>{{"step", "12"}}));
}

TEST(Inspect, ShowsWhatIsNoPairApart) {
  const TemporaryFolder folder;
  save_safetensors(folder / "a", {.tensors = {{"w_orig", bias()}, {"w_u", bias()}}});
  const Inspection found = inspect(folder / "a");
  EXPECT_EQ(found.tensors.size(), 2U);
  ASSERT_EQ(found.notes.size(), 1U);
  EXPECT_NE(found.notes[0].find("'w_mask'"), std::string::npos);
}

TEST(Inspect, ShowsTheNetworkOfACheckpointAndChecksAllOfIt) {
  const TemporaryFolder folder;
  const std::shared_ptr<nn::Sequential> model = models::mlp({6, 5, 4});
  nn::prunable(*model).front().replace(
      Tensor::masked(Tensor::ones({5, 6}), Mask::from_positions({5, 6}, std::vector<std::int64_t>{1, 8, 20})));
  optim::SGD optimizer(model->parameters(), {.lr = 0.1});
  const std::filesystem::path file =
      save_checkpoint(folder.path(), {*model, optimizer}, {}, {{"recipe", "name = 'x'"}});
  const Inspection found = inspect(file);
  ASSERT_EQ(found.tensors.size(), 4U);
  EXPECT_EQ(tensor_of(found, "fc1.weight").layout, "masked");
  EXPECT_EQ(tensor_of(found, "fc1.weight").alive, 3);
  EXPECT_EQ(tensor_of(found, "fc1.weight").file_bytes, 3 * 4 + 4);
  ASSERT_EQ(found.notes.size(), 1U);
  EXPECT_NE(found.notes[0].find("optimizer ("), std::string::npos) << found.notes[0];
  EXPECT_EQ(mask_text(found).substr(0, 11), "fc1.weight\n");

  std::string damaged = read_bytes(file);
  damaged[damaged.size() - 8] = static_cast<char>(damaged[damaged.size() - 8] ^ 1);  // a value
  write_bytes(folder / "damaged", damaged);
  EXPECT_TRUE(error_of([&] { inspect(folder / "damaged"); }).starts_with("[checkpoint] "));
}

TEST(Inspect, ReadsArraysAndResults) {
  const TemporaryFolder folder;
  const Tensor array = Tensor::arange(6).view({2, 3}).to(kInt32);
  save_npy(folder / "a.npy", array);
  save_idx(folder / "a", array);
  for (const char* file : {"a.npy", "a"}) {
    const Inspection found = inspect(folder / file);
    EXPECT_EQ(found.format, std::string(file) == "a" ? "idx" : "npy");
    ASSERT_EQ(found.tensors.size(), 1U);
    EXPECT_EQ(found.tensors[0].dtype, "int32");
    EXPECT_EQ(found.tensors[0].alive, 5);
    EXPECT_EQ(found.tensors[0].shape, (Shape{2, 3}));
  }
  Results results;
  results.paper = "reactivation";
  results.runs.push_back({.method = "iee", .sparsity = 0.9, .accuracy = 0.975, .nnz = 26620});
  write_bytes(folder / "results.json", to_json(results));
  const std::string text = to_text(inspect(folder / "results.json"));
  for (const char* part : {"results, ", "reactivation", "iee at 0.9", "accuracy 97.5 % over 1 seeds, 26620 weights"}) {
    EXPECT_NE(text.find(part), std::string::npos) << text;
  }
}

TEST(Inspect, TheTableAndTheJsonSayTheSame) {
  const TemporaryFolder folder;
  save_safetensors(folder / "m",
                   {.tensors = {{"fc.weight", sparse_weight()}, {"fc.bias", bias()}},
                    .metadata = {{"long", std::string(500, 'x')}, {"odd", "a\x1b[31m\nb"}}},
                   MaskedView::Masked);
  const Inspection found = inspect(folder / "m");
  const std::string text = to_text(found);
  for (const char* part : {"2 tensors", "long  xxx", "… (500 bytes)", "odd   a [31m b",
                           "fc.weight  masked  float32  (8, 10)", "20.00 %", "total", "as dense tensors: 332 B"}) {
    EXPECT_NE(text.find(part), std::string::npos) << part << " in\n" << text;
  }
  EXPECT_EQ(text.find('\x1b'), std::string::npos);
  const nlohmann::json json = nlohmann::json::parse(to_json(found));
  EXPECT_EQ(json["metadata"]["odd"], "a\x1b[31m\nb");
  EXPECT_EQ(json["tensors"][1]["name"], "fc.weight");
  EXPECT_EQ(json["tensors"][1]["shape"], (std::vector<int>{8, 10}));
  EXPECT_EQ(json["tensors"][1]["alive"], 16);
  EXPECT_EQ(json["total"]["weights"], 83);
  EXPECT_EQ(json["total"]["alive"], 18);
  EXPECT_EQ(json["total"]["dense_bytes"], 332);
}

TEST(Inspect, DrawsTheMasks) {
  const TemporaryFolder folder;
  const Tensor small = Tensor::of<float>({1, 0, 0, 0, 0, 1}, Shape{2, 3});
  save_safetensors(folder / "small", {.tensors = {{"w", small}, {"b", bias()}, {"full", Tensor::ones({4, 4})}}});
  const Tensor picture = mask_picture(inspect(folder / "small"));
  ASSERT_EQ(picture.shape(), (Shape{2 * 8 + 12, 3 * 8 + 12}));  // eight times as large, in a frame of 6
  const auto pixel = [&](std::int64_t y, std::int64_t x) {
    return static_cast<int>(picture.data<std::uint8_t>()[(6 + y) * picture.size(1) + 6 + x]);
  };
  EXPECT_EQ(pixel(0, 0), 0);
  EXPECT_EQ(pixel(7, 7), 0);
  EXPECT_EQ(pixel(0, 8), 255);
  EXPECT_EQ(pixel(8, 0), 255);
  EXPECT_EQ(pixel(15, 23), 0);
  EXPECT_EQ(pixel(16, 0), 208);
  EXPECT_EQ(mask_text(inspect(folder / "small")), "w\n  █  \n    █\n");

  // Two columns of 3000 alive of 2100 wide: averaged to 1024 each way.
  const Tensor large = Tensor::zeros({1500, 2100});
  large.slice(1, 0, 1050).fill_(1.0);
  save_safetensors(folder / "large", {.tensors = {{"w", large}}});
  const Tensor averaged = mask_picture(inspect(folder / "large"));
  ASSERT_EQ(averaged.shape(), (Shape{1024 + 12, 1024 + 12}));
  EXPECT_EQ(averaged.data<std::uint8_t>()[500 * 1036 + 100], 0);
  EXPECT_EQ(averaged.data<std::uint8_t>()[500 * 1036 + 900], 255);

  save_safetensors(folder / "none", {.tensors = {{"b", bias()}}});
  EXPECT_NE(error_of([&] { mask_picture(inspect(folder / "none")); }).find("there is none"), std::string::npos);
}

TEST(Inspect, SaysWhatIsWrongWithAFile) {
  const TemporaryFolder folder;
  save_safetensors(folder / "good", {.tensors = {{"w", sparse_weight()}}}, MaskedView::Masked);
  save_npy(folder / "npy", bias());
  const struct {
    const char* expectation;
    std::string bytes;
  } cases[] = {
      {"[inspect] ", ""},
      {"[inspect] ", "hello world"},
      {"[safetensors] ", read_bytes(folder / "good").substr(0, 300)},
      {"[npy] ", read_bytes(folder / "npy").substr(0, 100)},
      {"[idx] ", std::string("\0\0\x09\x01", 4)},
      {"[idx] ", "\x1F\x8B, not gzip"},
      {"[inspect] ", "{\"schema\": 1}"},
  };
  for (const auto& [expectation, bytes] : cases) {
    write_bytes(folder / "bad", bytes);
    const std::string message = error_of([&] { inspect(folder / "bad"); });
    EXPECT_TRUE(message.starts_with(expectation) && message.find("/bad: ") != std::string::npos) << message;
  }
  EXPECT_NE(error_of([&] { inspect(folder / "missing"); }), "");
  EXPECT_NE(error_of([&] { inspect(folder.path()); }), "");
}

}  // namespace
}  // namespace coppice::train
