#include <coppice/models/nn/masked_state.h>

#include <gtest/gtest.h>

#include <coppice/core/generator.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/prunable.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/error_of.h"

namespace coppice::nn {
namespace {

/// A network whose first layer only is sparse, with dormant values.
std::shared_ptr<Sequential> half_pruned(std::uint64_t seed) {
  const std::shared_ptr<Sequential> net = models::mlp({6, 5, 4}, seed);
  const PrunableWeight first = prunable(*net).front();
  Generator generator(seed);
  const Tensor weight = Tensor::masked(first.tensor().to_dense(), Mask::random(first.shape(), 20, generator));
  weight.weight_state().prune(weight.weight_state().alive() & Mask::random(first.shape(), 15, generator),
                              Dormant::Keep);
  first.replace(weight);
  return net;
}

void expect_same(const Module& a, const Module& b) {
  const StateDict left = masked_state_dict(a);
  const StateDict right = masked_state_dict(b);
  ASSERT_EQ(left.size(), right.size());
  for (const NamedTensor& entry : left) {
    const Tensor& other = right.at(entry.name);
    ASSERT_EQ(entry.tensor.is_masked(), other.is_masked()) << entry.name;
    EXPECT_TRUE(bit_equal(entry.tensor.to_dense(), other.to_dense())) << entry.name;
    if (!entry.tensor.is_masked()) continue;
    EXPECT_TRUE(entry.tensor.weight_state().alive() == other.weight_state().alive()) << entry.name;
  }
}

TEST(MaskedState, APrunedNetworkComesBackSparseInEveryView) {
  const TemporaryFolder folder;
  const std::shared_ptr<Sequential> net = half_pruned(1);
  save_pruned(folder / "pairs", *net);
  save_pruned(folder / "dense", *net, PrunedView::Dense);
  Safetensors own;
  for (const NamedTensor& entry : masked_state_dict(*net)) own.tensors[entry.name] = entry.tensor;
  save_safetensors(folder / "own", own, MaskedView::Masked);
  for (const char* file : {"pairs", "dense", "own"}) {
    SCOPED_TRACE(file);
    const std::shared_ptr<Sequential> loaded = models::mlp({6, 5, 4}, 2);
    load_pruned(*loaded, folder / file);
    expect_same(*loaded, *net);
    EXPECT_TRUE(loaded->parameter("fc1.weight").requires_grad());
    Generator generator(3);
    const Tensor input = Tensor::randn({3, 6}, generator);
    EXPECT_TRUE(bit_equal((*loaded)(input).detach(), (*net)(input).detach()));
  }
}

TEST(MaskedState, KeepsDormantValuesWhenAsked) {
  const TemporaryFolder folder;
  const std::shared_ptr<Sequential> net = half_pruned(1);
  const WeightState& source = net->parameter("fc1.weight").weight_state();
  ASSERT_GT(source.dormant().count(), 0);
  save_pruned(folder / "pairs", *net);
  const std::shared_ptr<Sequential> loaded = models::mlp({6, 5, 4}, 2);
  load_pruned(*loaded, folder / "pairs", true, {.keep_dormant = true});
  const WeightState& state = loaded->parameter("fc1.weight").weight_state();
  EXPECT_TRUE(bit_equal(WeightState::remap(state.dormant_values(), state.dormant(), source.dormant()),
                        source.dormant_values()));
  StateDict copied;
  for (const NamedTensor& entry : masked_state_dict(*net)) copied.set(entry.name, entry.tensor);
  load_masked_state_dict(*loaded, copied);
  EXPECT_TRUE(bit_equal(loaded->parameter("fc1.weight").weight_state().dormant_values(), source.dormant_values()));
}

TEST(MaskedState, ReplacesAnotherMask) {
  const std::shared_ptr<Sequential> net = half_pruned(1);
  const std::shared_ptr<Sequential> other = half_pruned(2);
  load_masked_state_dict(*other, masked_state_dict(*net));
  expect_same(*other, *net);
  EXPECT_FALSE(other->parameter("fc1.weight").is_same(net->parameter("fc1.weight")));
}

TEST(MaskedState, OnlyPrunableWeightsBecomeMasked) {
  const std::shared_ptr<Sequential> net = models::mlp({6, 5, 4}, 1);
  StateDict state = net->state_dict();
  state.set("fc1.bias", Tensor::masked(Tensor::ones({5}), Mask::from_positions({5}, std::vector<std::int64_t>{1, 3})));
  load_masked_state_dict(*net, state);
  EXPECT_FALSE(net->parameter("fc1.bias").is_masked());
  EXPECT_EQ(net->parameter("fc1.bias").to_vector<float>(), (std::vector<float>{0, 1, 0, 1, 0}));
}

TEST(MaskedState, ChangesNothingWhenItFails) {
  const std::shared_ptr<Sequential> net = half_pruned(1);
  const std::shared_ptr<Sequential> target = models::mlp({6, 5, 4}, 2);
  const std::shared_ptr<Sequential> reference = models::mlp({6, 5, 4}, 2);
  StateDict state = masked_state_dict(*net);
  state.set("extra", Tensor::ones({1}));
  expect_error([&] { load_masked_state_dict(*target, state); }, "[load_state_dict] unexpected extra");
  expect_same(*target, *reference);
  const std::shared_ptr<Sequential> narrow = models::mlp({6, 3, 4}, 2);
  EXPECT_NE(error_of([&] { load_masked_state_dict(*narrow, masked_state_dict(*net)); }).find("shape of fc1.weight"),
            std::string::npos);
}

}  // namespace
}  // namespace coppice::nn
