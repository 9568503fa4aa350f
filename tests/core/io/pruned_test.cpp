#include <gtest/gtest.h>

#include <limits>

#include <coppice/core/generator.h>
#include <coppice/core/io/pruned.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/weight_state.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice {
namespace {

using Tensors = std::map<std::string, Tensor>;

const Tensor kOrig = Tensor::of<float>({1, 2, 3, 4, 5, 6}, Shape{2, 3});

Tensor mask_of(std::initializer_list<float> values, DType dtype = kFloat32) {
  return Tensor::of<float>(values, Shape{2, 3}).to(dtype);
}

TEST(Pruned, PairsBecomeMaskedAndTheRestStays) {
  const Tensor bias = Tensor::ones({2});
  for (const DType dtype : {kFloat32, kFloat64, kInt32, kInt64, kUInt8, kBool, kFloat16, kBFloat16}) {
    const Tensors joined = join_pruned({{"fc.weight_orig", kOrig},
                                        {"fc.weight_mask", mask_of({1, 0, 0, 1, 1, 0}, dtype)},
                                        {"fc.bias", bias},
                                        {"padding_mask", bias}});
    ASSERT_EQ(joined.size(), 3U);
    const Tensor& weight = joined.at("fc.weight");
    ASSERT_TRUE(weight.is_masked()) << dtype;
    EXPECT_EQ(weight.to_dense().to_vector<float>(), (std::vector<float>{1, 0, 0, 4, 5, 0}));
    EXPECT_EQ(weight.weight_state().alive().count(), 3);
    EXPECT_EQ(weight.weight_state().dormant().count(), 0);
    EXPECT_TRUE(joined.at("fc.bias").is_same(bias) && joined.at("padding_mask").is_same(bias));
  }
  const Tensor half = join_pruned({{"w_orig", kOrig.to(kFloat16)}, {"w_mask", mask_of({1, 1, 0, 0, 0, 0})}}).at("w");
  EXPECT_EQ(half.dtype(), kFloat32);
}

TEST(Pruned, AWeightBesideItsMaskIsAPairToo) {
  const Tensors joined = join_pruned({{"w", kOrig}, {"w_mask", mask_of({0, 1, 0, 0, 0, 1})}});
  ASSERT_EQ(joined.size(), 1U);
  EXPECT_EQ(joined.at("w").to_dense().to_vector<float>(), (std::vector<float>{0, 2, 0, 0, 0, 6}));
}

TEST(Pruned, WhatIsMaskedOutDoesNotMatter) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  const Tensor orig = Tensor::of<float>({1, nan, 3}, Shape{3});
  const Tensor mask = Tensor::of<float>({1, 0, 1}, Shape{3});
  EXPECT_EQ(join_pruned({{"w_orig", orig}, {"w_mask", mask}}).at("w").to_dense().to_vector<float>(),
            (std::vector<float>{1, 0, 3}));
}

TEST(Pruned, DormantValuesSurviveWhenAsked) {
  const Tensors file = {{"w_orig", kOrig}, {"w_mask", mask_of({1, 0, 0, 1, 1, 0})}};
  const Tensors joined = join_pruned(file, {.keep_dormant = true});
  EXPECT_EQ(joined.at("w").weight_state().dormant_values().to_vector<float>(), (std::vector<float>{2, 3, 6}));
  const Tensors again = split_pruned(joined);
  ASSERT_EQ(again.size(), 2U);
  for (const auto& [name, tensor] : file) EXPECT_TRUE(bit_equal(again.at(name), tensor)) << name;

  const Tensors dropped = split_pruned(join_pruned(file));
  EXPECT_EQ(dropped.at("w_orig").to_vector<float>(), (std::vector<float>{1, 0, 0, 4, 5, 0}));
}

TEST(Pruned, BothViewsSurviveAFile) {
  const TemporaryFolder folder;
  Generator generator(2);
  const Tensor some = Tensor::masked(Tensor::randn({5, 7}, generator), Mask::random({5, 7}, 9, generator));
  const Tensor most = Tensor::masked(Tensor::randn({5, 7}, generator), Mask::random({5, 7}, 30, generator));
  const Tensor none = Tensor::masked(Tensor::ones({2, 2}), Mask::none({2, 2}));
  const Tensor dense = Tensor::randn({4}, generator);
  for (const PrunedView view : {PrunedView::Pairs, PrunedView::Dense}) {
    save_safetensors(folder / "a",
                     {.tensors = split_pruned({{"a", some}, {"b", most}, {"c", none}, {"d", dense}}, view)});
    const Tensors raw = load_safetensors(folder / "a").tensors;
    EXPECT_EQ(raw.size(), 7U);
    EXPECT_EQ(raw.contains("a_orig"), view == PrunedView::Pairs);
    EXPECT_EQ(raw.at("b_mask").dtype(), kFloat32);
    const Tensors joined = join_pruned(raw);
    ASSERT_EQ(joined.size(), 4U);
    for (const auto& [name, tensor] : Tensors{{"a", some}, {"b", most}, {"c", none}}) {
      EXPECT_TRUE(joined.at(name).weight_state().alive() == tensor.weight_state().alive()) << name;
      EXPECT_TRUE(bit_equal(joined.at(name).to_dense(), tensor.to_dense())) << name;
    }
    EXPECT_TRUE(bit_equal(joined.at("d"), dense));
  }
}

TEST(Pruned, RefusesWhatIsInconsistentAndSaysWhy) {
  const Tensor mask = mask_of({1, 0, 0, 1, 1, 0});
  expect_error(
      [&] {
        join_pruned({{"w_orig", kOrig}});
      },
      "[join_pruned] 'w_orig' expects a 'w_mask' beside it; there is none");
  expect_error(
      [&] {
        join_pruned({{"w_orig", kOrig}, {"w_mask", mask}, {"w", kOrig}});
      },
      "[join_pruned] 'w_orig' stands for 'w', which is there too");
  expect_error(
      [&] {
        join_pruned({{"w_orig", kOrig}, {"w_mask", mask.view({3, 2})}});
      },
      "[join_pruned] 'w_mask' expects the shape of its weight, (2, 3); got (3, 2)");
  expect_error(
      [&] {
        join_pruned({{"w_orig", kOrig}, {"w_mask", mask_of({1, 0, 0, 0.5, 1, 0})}});
      },
      "[join_pruned] 'w_mask' expects 0 or 1 in every element; got 0.5");
  expect_error(
      [&] {
        join_pruned({{"w_orig", kOrig.to(kInt32)}, {"w_mask", mask}});
      },
      "[join_pruned] 'w_orig' expects dense floating numbers; got strided int32");
  const Tensor masked = Tensor::masked(kOrig, Mask::all({2, 3}));
  expect_error(
      [&] {
        join_pruned({{"w", masked}, {"w_mask", mask}});
      },
      "[join_pruned] 'w' expects dense floating numbers; got masked float32");
  expect_error(
      [&] {
        split_pruned({{"w", masked}, {"w_orig", mask}});
      },
      "[split_pruned] 'w_orig' is both a tensor and part of a masked one");
}

}  // namespace
}  // namespace coppice
