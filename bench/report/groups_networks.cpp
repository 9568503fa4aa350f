// Whole networks beside other engines: inference of ResNet-50, a training step of ResNet-18 for CIFAR.

#include <coppice/core/generator.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/inference_session.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/models/resnet.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/adamw.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>

#include "bench/report/groups.h"
#include "bench/report/networks.h"
#include "bench/report/operands.h"

namespace coppice::bench {
namespace {

/// Gives every prunable weight but the first a mask, so that the network (Erk) or each of them (Uniform) has that
/// sparsity, in blocks of `rows` × 1.
void make_sparse(nn::Module& model, double sparsity, sparsity::Distribution distribution, int rows) {
  const std::vector<nn::PrunableWeight> weights = nn::prunable(model);
  const std::vector<sparsity::LayerShape> layers = sparsity::prunable_layers(model);
  const auto densities = sparsity::layer_densities(distribution, layers, 1.0 - sparsity, {.dense_first = true});
  for (std::size_t i = 0; i < weights.size(); ++i) {
    const double density = densities.densities[i];
    if (density >= 1.0) continue;
    const Tensor dense = weights[i].tensor().detach();
    weights[i].replace(Tensor::masked(dense, random_mask(dense.shape(), 1.0 - density, rows)));
  }
}

std::function<void()> inference(std::int64_t batch, const Sparse& sparse) {
  const std::shared_ptr<nn::Module> model = models::resnet50({.seed = 1});
  if (sparse.sparsity > 0.0) make_sparse(*model, sparse.sparsity, sparse.distribution, sparse.rows);
  model->eval();
  nn::fold_batch_norm(*model, {1, 3, 224, 224});
  Generator generator(1);
  const Tensor images = Tensor::randn({batch, 3, 224, 224}, generator);
  const auto session = std::make_shared<nn::InferenceSession>(model, images.shape());
  return [session, images] { (*session)(images); };
}

const Sparse kErk{0.9, sparsity::Distribution::Erk, 1}, kUniform{0.9, sparsity::Distribution::Uniform, 1},
    kBlockErk{0.9, sparsity::Distribution::Erk, 8}, kBlockUniform{0.9, sparsity::Distribution::Uniform, 8};

}  // namespace

std::function<void()> training_step(std::int64_t batch, const Sparse& sparse) {
  const std::shared_ptr<nn::Module> model =
      models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .seed = 1});
  if (sparse.sparsity > 0.0) make_sparse(*model, sparse.sparsity, sparse.distribution, sparse.rows);
  model->train();
  Generator generator(1);
  const Tensor images = Tensor::randn({batch, 3, 32, 32}, generator);
  const Tensor labels = Tensor::randint(0, 10, {batch}, generator);
  const auto optimizer = std::make_shared<optim::SGD>(
      model->parameters(), optim::SgdOptions{.lr = 0.1, .momentum = 0.9, .weight_decay = 5e-4});
  return [model, images, labels, optimizer] {
    optimizer->zero_grad();
    cross_entropy((*model)(images), labels).backward();
    optimizer->step();
  };
}

std::function<void()> adam_step(const Sparse& sparse) {
  const std::shared_ptr<nn::Module> model =
      models::resnet18({.num_classes = 10, .stem = models::ResNetStem::Small, .seed = 1});
  if (sparse.sparsity > 0.0) make_sparse(*model, sparse.sparsity, sparse.distribution, sparse.rows);
  const auto optimizer = std::make_shared<optim::AdamW>(model->parameters());
  Generator generator(1);
  const Tensor images = Tensor::randn({8, 3, 32, 32}, generator), labels = Tensor::randint(0, 10, {8}, generator);
  return [model, optimizer, images, labels] {
    optimizer->zero_grad();
    cross_entropy((*model)(images), labels).backward();
    optimizer->step();
  };
}

std::vector<Row> measure_inference(Bench& bench) {
  std::vector<Row> rows;
  const std::vector<std::string> peers = {"onnxruntime", "torch1.tuned", "torch2.tuned", "torch2.compiled"};
  const int threads = bench.threads();
  {
    const Race single = race(bench, {{"dense", inference(1, {})}},
                             {.peers = peers, .peer_case = "resnet50 n=1", .rounds = 9, .longest_seconds = 25.0});
    rows.push_back(row_of("dense, batch 1", single, 0, threads, {1.05, 0.92}));
  }
  std::vector<Ours> ways = {{"dense", inference(16, {})}};
  if (threads == 1) {
    ways.push_back({"unstructured ERK", inference(16, kErk)});
    ways.push_back({"unstructured uniform", inference(16, kUniform)});
    ways.push_back({"8x1 ERK", inference(16, kBlockErk)});
    ways.push_back({"8x1 uniform", inference(16, kBlockUniform)});
  }
  const Race batch =
      race(bench, ways, {.peers = peers, .peer_case = "resnet50 n=16", .rounds = 6, .longest_seconds = 60.0});
  const Goal goals[] = {{1.05, 0.92}, {2.8, 2.0}, {5, 3}, {3.8, 3}, {7, 5}};
  for (std::size_t way = 0; way < ways.size(); ++way) {
    const std::string sparsity = way == 0 ? "" : " at 90 %";
    rows.push_back(row_of(ways[way].name + sparsity + ", batch 16", batch, way, threads, goals[way]));
  }
  return rows;
}

std::vector<Row> measure_training(Bench& bench) {
  const int threads = bench.threads();
  std::vector<Ours> ways = {{"dense", training_step(128, {})}};
  if (threads == 1) {
    ways.push_back({"unstructured ERK", training_step(128, kErk)});
    ways.push_back({"unstructured uniform", training_step(128, kUniform)});
  }
  const Race step = race(bench, ways,
                         {.peers = {"torch1.tuned", "torch1.installed", "torch2.tuned", "torch2.compiled"},
                          .peer_case = "step network=resnet18 n=128",
                          .rounds = 6,
                          .longest_seconds = 300.0});
  const Goal goals[] = {{1.1, 1.0}, {2.4, 1.8}, {4.5, 3.2}};
  std::vector<Row> rows;
  for (std::size_t way = 0; way < ways.size(); ++way) {
    const std::string sparsity = way == 0 ? "" : " at 90 %";
    rows.push_back(row_of(ways[way].name + sparsity + ", batch 128", step, way, threads, goals[way]));
  }
  return rows;
}

}  // namespace coppice::bench
