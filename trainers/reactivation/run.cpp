#include <coppice/trainers/reactivation/run.h>

#include <algorithm>
#include <numeric>

#include <coppice/core/allocator.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/sparsity/controller.h>
#include <coppice/trainers/train.h>

namespace coppice::train::reactivation {
namespace {

constexpr std::int64_t kMostRecords = 40;  // a stretched training would fill the results with its curve
constexpr std::int64_t kMostLags = 40;     // likewise

/// What pruning may touch, with how many of each layer's weights live now.
std::vector<LayerResult> count_alive(nn::Module& model) {
  std::vector<LayerResult> layers;
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    const Tensor& tensor = weight.tensor();
    const std::int64_t numel = tensor.shape().numel();
    const std::int64_t alive = tensor.is_masked() ? tensor.weight_state().alive().count() : numel;
    layers.push_back({.name = weight.name, .weights = numel, .alive_at_start = alive, .alive = alive});
  }
  return layers;
}

void note_layers(nn::Module& model, const std::vector<LayerResult>& at_start, RunResult& result) {
  result.layers = count_alive(model);
  for (std::size_t l = 0; l < result.layers.size(); ++l) {
    result.layers[l].alive_at_start = at_start[l].alive;
    result.weights += result.layers[l].weights;
    result.nnz += result.layers[l].alive;
  }
}

std::int64_t alive_weights(const std::vector<std::int64_t>& widths, const sparsity::MaskPolicy& policy,
                           std::uint64_t seed) {
  const std::shared_ptr<nn::Sequential> model = models::mlp(widths, seed);
  sparsity::make_sparse(*model, policy, seed);
  std::int64_t alive = 0;
  for (const LayerResult& layer : count_alive(*model)) alive += layer.alive;
  return alive;
}

/// How many of the first layer's weights read each input, where that layer is sparse.
std::vector<std::int64_t> alive_per_input(nn::Module& model) {
  const std::vector<nn::PrunableWeight> weights = nn::prunable(model);
  if (weights.empty() || !weights.front().tensor().is_masked()) return {};
  const Mask& alive = weights.front().tensor().weight_state().alive();
  const std::int64_t inputs = alive.shape().numel() / alive.shape()[0];
  std::vector<std::int64_t> counts(static_cast<std::size_t>(inputs));
  alive.for_each([&](std::int64_t position, std::int64_t) { ++counts[static_cast<std::size_t>(position % inputs)]; });
  return counts;
}

void note_updates(const sparsity::MaskController& controller, RunResult& result) {
  result.policy = controller.policy().to_pairs();
  result.survival = controller.survival(1);
  const auto lags = static_cast<std::int64_t>(controller.records().size()) - 1;
  for (std::int64_t lag = 1; lag <= std::min(lags, kMostLags); ++lag) {
    result.survival_by_lag.push_back(controller.survival(lag));
  }
  for (const sparsity::UpdateRecord& update : controller.records()) {
    result.updates.push_back({.step = update.step,
                              .fraction = update.fraction,
                              .iou_after_prune = update.iou_after_prune,
                              .iou_after_grow = update.iou_after_grow,
                              .ever_alive = update.ever_alive});
  }
}

/// The training as set_up() builds it.
Recipe recipe_of(const RunPlan& plan, const Training& training, std::uint64_t seed) {
  Recipe recipe{.name = plan.method.name, .sparse = plan.method.has_policy(), .policy = plan.policy};
  recipe.model.widths = training.widths;
  recipe.training.steps = plan.steps;
  recipe.training.batch_size = training.batch_size;
  recipe.training.learning_rate = training.learning_rate;
  recipe.training.momentum = training.momentum;
  recipe.training.weight_decay = training.weight_decay;
  recipe.training.seed = seed;
  return recipe;
}

RecipeData data_of(const TrainTest& data, const SeedData& seed) {
  return {.train = in_memory(data.train), .split = seed.split, .normalisation = seed.normalisation};
}

}  // namespace

double dense_step_flops(const Training& training) {
  const std::shared_ptr<nn::Sequential> model = models::mlp(training.widths);
  const FlopScope flops;
  const Tensor logits = (*model)(Tensor::zeros({training.batch_size, training.widths.front()}));
  cross_entropy(logits, Tensor::zeros({training.batch_size}, {.dtype = kInt64})).backward();
  return flops.count().total_effective();
}

RunResult run(const RunPlan& plan, const Training& training, const TrainTest& data, const SeedData& seed,
              const std::function<void(std::int64_t done)>& on_step, const std::atomic<bool>* stop,
              const Plan& kernels) {
  const PlanScope scope(kernels);
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope counted(allocator);

  Training own = training;
  if (plan.method.kind == Kind::SmallDense) {
    own.widths = narrowed(training.widths, alive_weights(training.widths, plan.policy, seed.seed));
    allocator->reset_peak();
  }
  const TrainingSetup setup = set_up(recipe_of(plan, own, seed.seed), data_of(data, seed));
  nn::Module& model = *setup.model;
  const std::vector<LayerResult> at_start = count_alive(model);

  const std::int64_t batches = setup.loader->batches();
  const std::int64_t epochs = (plan.steps + batches - 1) / batches;
  FitOptions options{.steps = plan.steps,
                     .lr_factor = optim::schedule::cosine(plan.steps),
                     .record_every = batches * ((epochs + kMostRecords - 1) / kMostRecords),
                     .on_step = on_step,
                     .stop = stop};
  options.validate = [&] { return evaluate(model, data.train, seed.split.validation, seed.normalisation); };
  RunResult result{.method = plan.method.name, .network = own.network(), .sparsity = plan.sparsity, .seed = seed.seed};
  options.on_kernels = [&](const Plan& ran) { result.kernels.assign(ran.entries().begin(), ran.entries().end()); };
  FitResult fitted = fit(model, *setup.optimizer, *setup.loader, setup.controller.get(), options);
  result.steps = fitted.steps;
  result.flops = fitted.flops;
  result.seconds = fitted.seconds;
  result.cpu_seconds = fitted.cpu_seconds;
  result.peak_bytes = fitted.peak_bytes;
  result.exploration_peak_bytes = fitted.exploration_peak_bytes;
  result.exploitation_peak_bytes = fitted.exploitation_peak_bytes;
  note_layers(model, at_start, result);
  if (plan.keep_picture) result.alive_per_input = alive_per_input(model);
  if (setup.controller) note_updates(*setup.controller, result);
  if (!fitted.stopped) {
    const EpochRecord& last = fitted.records.back();
    result.train_loss = last.loss;
    result.validation_accuracy = (last.validation ? *last.validation : options.validate()).accuracy;
    std::vector<std::int64_t> test(static_cast<std::size_t>(data.test.size()));
    std::iota(test.begin(), test.end(), 0);
    result.accuracy = evaluate(model, data.test, test, seed.normalisation).accuracy;
  }
  result.records = std::move(fitted.records);
  return result;
}

}  // namespace coppice::train::reactivation
