#include <coppice/trainers/measure/masks.h>

#include <gtest/gtest.h>

#include <array>

#include <coppice/core/generator.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/tensor.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::train::measure {
namespace {

TEST(Masks, AreDrawnAsAsked) {
  const std::vector<sparsity::LayerShape> layers{{"wide", {100, 400}}, {"conv", {64, 16, 3, 3}}, {"small", {10, 20}}};
  const auto uniform = draw_masks("uniform", layers, 0.9);
  ASSERT_EQ(uniform.size(), 3U);
  EXPECT_EQ(uniform[0].mask.count(), 4000);
  EXPECT_EQ(uniform[1].mask.shape(), (Shape{64, 144}));
  EXPECT_EQ(uniform[2].mask.count(), 20);
  const auto erk = draw_masks("erk", layers, 0.9);
  EXPECT_GT(erk[2].mask.density(), erk[0].mask.density());  // small layers keep more
  EXPECT_EQ(draw_masks("erk", layers, 0.9)[0].mask, erk[0].mask);
  EXPECT_EQ(error_of([&] { draw_masks("odd", layers, 0.9); }), "[masks] expects uniform or erk; got 'odd'");
}

TEST(Masks, ComeFromMaskedTensorsAndElseFromZeros) {
  const TemporaryFolder folder;
  Generator generator(1);
  const Tensor dense = Tensor::ones({4, 2, 3, 3}), full = Tensor::ones({3, 3});
  const Tensor masked = Tensor::masked(dense, Mask::random(dense.shape(), 20, generator));
  const Tensor zeros = Mask::random({5, 6}, 7, generator).to_tensor().to(kFloat32);
  save_safetensors(folder / "masked.safetensors", {.tensors = {{"conv", masked}, {"zeros", zeros}}},
                   MaskedView::Masked);
  const auto of_masked = masks_of_file((folder / "masked.safetensors").string());
  ASSERT_EQ(of_masked.size(), 1U);
  EXPECT_EQ(of_masked[0].name, "conv");
  EXPECT_EQ(of_masked[0].mask.shape(), (Shape{4, 18}));
  EXPECT_EQ(of_masked[0].mask.count(), 20);
  save_safetensors(folder / "zeros.safetensors", {.tensors = {{"zeros", zeros}, {"full", full}}});
  const auto of_zeros = masks_of_file((folder / "zeros.safetensors").string());
  ASSERT_EQ(of_zeros.size(), 1U);
  EXPECT_EQ(of_zeros[0].mask.count(), 7);
  save_safetensors(folder / "full.safetensors", {.tensors = {{"full", full}}});
  EXPECT_NE(error_of([&] { masks_of_file((folder / "full.safetensors").string()); }).find("expects a Masked tensor"),
            std::string::npos);
}

TEST(Masks, RowLengths) {
  const Mask mask = Mask::from_positions({3, 4}, std::array<std::int64_t, 6>{0, 1, 2, 3, 8, 11});
  const RowLengths lengths = row_lengths(mask);
  EXPECT_EQ(lengths.least, 0);
  EXPECT_EQ(lengths.most, 4);
  EXPECT_DOUBLE_EQ(lengths.mean, 2.0);
  EXPECT_NEAR(lengths.variation, 0.8165, 1e-4);  // of 4, 0, 2
  EXPECT_EQ(to_text(lengths), "rows 2 ± 81.6 %, 0 … 4");
  EXPECT_EQ(row_lengths(Mask::none({0, 4})).most, 0);
}

}  // namespace
}  // namespace coppice::train::measure
