// The examples of README.md and docs/, in the surroundings that their text describes.

#include <cmath>
#include <filesystem>
#include <iostream>
#include <string>

#include <gtest/gtest.h>

#include <coppice/autograd/function.h>
#include <coppice/autograd/gradcheck.h>
#include <coppice/autograd/record.h>
#include <coppice/coppice.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/core/mask.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/ops/plan.h>
#include <coppice/trainers/report/report.h>

#include "tests/core/io/temporary_folder.h"
#include "tests/snippets/small_training.h"

namespace coppice {
namespace {

/// Examples name files as a reader would who is beside them.
class WorkingDirectory {
 public:
  explicit WorkingDirectory(const std::filesystem::path& folder) { std::filesystem::current_path(folder); }
  ~WorkingDirectory() { std::filesystem::current_path(before_); }
  WorkingDirectory(const WorkingDirectory&) = delete;
  WorkingDirectory& operator=(const WorkingDirectory&) = delete;

 private:
  std::filesystem::path before_ = std::filesystem::current_path();
};

TEST(Snippets, ReadmeTrainsASparseNetwork) {
  const auto [images, labels, steps] = small_training();
#include "snippets/README.md.1"
  EXPECT_NEAR(controller.density(), 0.05, 1e-3);
  EXPECT_GT(controller.records().size(), 0U);
}

TEST(Snippets, AutogradRecordsAnOp) {
  const auto multiply = [&](const Tensor& a, const Tensor& b) {
    const Tensor output = [&] {
      NoGrad no_grad;
      return a * b;
    }();
#include "snippets/docs/autograd.md.1"
  };
  Generator generator(1);
  const Tensor a = Tensor::randn({3}, generator, {.dtype = kFloat64, .requires_grad = true});
  const Tensor b = Tensor::randn({3}, generator, {.dtype = kFloat64, .requires_grad = true});
  gradcheck([&](const std::vector<Tensor>& in) { return std::vector<Tensor>{multiply(in[0], in[1])}; }, {a, b},
            {.double_backward = true});
}

TEST(Snippets, AutogradTakesAFunctionOfOnesOwn) {
  Generator generator(1);
  const Tensor x = Tensor::randn({2, 3}, generator, {.dtype = kFloat64, .requires_grad = true});
#include "snippets/docs/autograd.md.2"
  EXPECT_NEAR(y.to_vector<double>()[0], std::pow(x.to_vector<double>()[0], 3), 1e-12);
}

TEST(Snippets, ASessionInfers) {
  const auto model = models::resnet20({.width = 4, .seed = 1});
  Generator generator(1);
  const Tensor images = Tensor::randn({2, 3, 32, 32}, generator);
#include "snippets/docs/inference.md.1"
  EXPECT_EQ(logits.shape(), (Shape{2, 10}));
  EXPECT_TRUE(model->named_buffers().empty());
}

TEST(Snippets, LayersAttend) {
  Generator generator(1);
  const Tensor words = Tensor::randn({2, 6, 16}, generator);
#include "snippets/docs/layers.md.1"
  EXPECT_EQ(mixed.shape(), words.shape());
  EXPECT_EQ(weights.shape(), (Shape{2, 6, 6}));
  EXPECT_TRUE(bit_equal(weights.slice(2, 4, 6).detach(), Tensor::zeros({2, 6, 2})));
  EXPECT_EQ(seen.shape(), (Shape{2, 4, 6, 4}));
  EXPECT_TRUE(bit_equal(seen.select(2, 0), heads.select(2, 0)));
}

TEST(Snippets, PlansAreRecordedAndFollowed) {
  const TemporaryFolder folder;
  const WorkingDirectory here(folder.path());
  Generator generator(1);
  const auto network = models::mlp({20, 8, 4});
  const std::string name = network->named_parameters().front().name;
  const Tensor dense = network->parameter(name);
  network->set_parameter(name, Tensor::masked(dense, Mask::random(dense.shape(), 16, generator)));
  nn::Module& model = *network;
  const Tensor images = Tensor::randn({8, 20}, generator);
  {
#include "snippets/docs/plans.md.1"
    EXPECT_EQ(recorder.plan().entries().size(), 1U);
    recorder.plan().save("fast.plan");
  }
#include "snippets/docs/plans.md.2"
  EXPECT_EQ(plan.entries().size(), 1U);
  const PlanRecorder again;
  model(images);
  EXPECT_EQ(again.plan(), plan);
}

TEST(Snippets, SparsityTrains) {
  const auto [images, labels, steps] = small_training();
#include "snippets/docs/sparsity.md.1"
  EXPECT_NEAR(controller.density(), 0.05, 1e-3);
}

#include "snippets/docs/sparsity.md.2"

TEST(Snippets, SparsityTakesAMethodOfOnesOwn) {
  const auto [images, labels, steps] = small_training();
  const auto model = models::mlp({784, 20, 10});
  sparsity::MaskPolicy policy = my_method();
  policy.interval = policy.accuracy_steps = policy.exploration_steps = 5;
  sparsity::make_sparse(*model, policy, /*seed=*/1);
  optim::SGD optimizer(model->parameters(), {.lr = 0.1});
  sparsity::MaskController controller(*model, policy, {.total_steps = steps, .seed = 1});
  for (std::int64_t step = 0; step < steps; ++step) {
    controller.begin_step(step);
    optimizer.zero_grad();
    cross_entropy((*model)(images), labels).backward();
    controller.end_step(step, optimizer);
  }
  ASSERT_GT(controller.records().size(), 0U);
  EXPECT_GT(controller.records()[0].layers[0].grown, 0);
}

TEST(Snippets, InterchangeLoadsAPrunedNetwork) {
  const TemporaryFolder folder;
  const auto pruned = models::mlp({784, 300, 100, 10});
  sparsity::make_sparse(*pruned, {0.1, 0.1, 1.0}, /*seed=*/1);
  nn::save_pruned(folder / "pruned.safetensors", *pruned, PrunedView::Pairs);
  const WorkingDirectory there(folder.path());
#include "snippets/docs/interchange.md.2"
  EXPECT_EQ(model->parameter("fc1.weight").weight_state().alive().count(),
            pruned->parameter("fc1.weight").weight_state().alive().count());
}

TEST(Snippets, InterchangeReadsTorchFiles) {
  const TemporaryFolder folder;
  const auto trained = models::resnet18({.seed = 3});
  std::map<std::string, Tensor> content;
  for (const nn::NamedTensor& entry : trained->state_dict()) content["state_dict.module." + entry.name] = entry.tensor;
  save_pth(folder / "resnet18.pth", content);
  const WorkingDirectory there(folder.path());
#include "snippets/docs/interchange.md.1"
  EXPECT_TRUE(bit_equal(model->parameter("fc.weight").detach(), trained->parameter("fc.weight").detach()));
}

TEST(Snippets, ReportMergesRuns) {
  const TemporaryFolder folder;
  train::Results results{.paper = "reactivation"};
  results.runs = {{.method = "dense", .accuracy = 0.9}};
  train::save_results(folder / "runs" / "a", results);
  save_text(folder / "theirs.csv", "method,accuracy\nours,0.5\n");
  const WorkingDirectory there(folder.path());
#include "snippets/docs/report.md.1"
  EXPECT_EQ(comparisons.at(0).rows.size(), 2U);
  EXPECT_TRUE(std::filesystem::exists("runs/both/report.html"));
}

}  // namespace
}  // namespace coppice
