#include <coppice/trainers/reactivation/run.h>

#include <numeric>
#include <optional>

#include <coppice/core/allocator.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/mlp.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/schedule.h>
#include <coppice/ops/optim/sgd.h>
#include <coppice/sparsity/controller.h>

namespace coppice::train::reactivation {
namespace {

constexpr std::int64_t kMostRecords = 40;  // a stretched training would fill the results with its curve

bool is_sparse(const Method& method) { return method.kind == Kind::Sparse || is_stretched(method.kind); }

/// Weights that pruning may touch, and how many of them live.
void count_alive(nn::Module& model, RunResult& result) {
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    const Tensor& tensor = weight.tensor();
    result.weights += tensor.shape().numel();
    result.nnz += tensor.is_masked() ? tensor.weight_state().alive().count() : tensor.numel();
  }
}

std::int64_t alive_weights(const std::vector<std::int64_t>& widths, const sparsity::MaskPolicy& policy,
                           std::uint64_t seed) {
  const std::shared_ptr<nn::Sequential> model = models::mlp(widths, seed);
  sparsity::make_sparse(*model, policy, seed);
  RunResult counted;
  count_alive(*model, counted);
  return counted.nnz;
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
              const std::function<void(std::int64_t done)>& on_step, const std::atomic<bool>* stop) {
  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope counted(allocator);

  Training own = training;
  if (plan.method.kind == Kind::SmallDense) {
    own.widths = narrowed(training.widths, alive_weights(training.widths, plan.policy, seed.seed));
    allocator->reset_peak();
  }
  const std::shared_ptr<nn::Sequential> model = models::mlp(own.widths, seed.seed);
  if (is_sparse(plan.method)) sparsity::make_sparse(*model, plan.policy, seed.seed);
  optim::SGD optimizer(optim::split_decay(model->parameters(), training.weight_decay),
                       {.lr = training.learning_rate, .momentum = training.momentum});
  std::optional<sparsity::MaskController> controller;
  if (is_sparse(plan.method)) {
    controller.emplace(*model, plan.policy, sparsity::Plan{.total_steps = plan.steps, .seed = seed.seed});
  }
  DataLoader loader(data.train, seed.split.train,
                    {.batch_size = training.batch_size, .seed = seed.seed, .normalisation = seed.normalisation});

  const std::int64_t epochs = (plan.steps + loader.batches() - 1) / loader.batches();
  FitOptions options{.steps = plan.steps,
                     .lr_factor = optim::schedule::cosine(plan.steps),
                     .record_every = loader.batches() * ((epochs + kMostRecords - 1) / kMostRecords),
                     .on_step = on_step,
                     .stop = stop};
  options.validate = [&] { return evaluate(*model, data.train, seed.split.validation, seed.normalisation); };
  FitResult fitted = fit(*model, optimizer, loader, controller ? &*controller : nullptr, options);

  RunResult result{.method = plan.method.name, .network = own.network(), .sparsity = plan.sparsity, .seed = seed.seed};
  result.steps = fitted.steps;
  result.flops = fitted.flops;
  result.seconds = fitted.seconds;
  result.cpu_seconds = fitted.cpu_seconds;
  result.peak_bytes = fitted.peak_bytes;
  count_alive(*model, result);
  if (controller) {
    result.policy = plan.policy.to_pairs();
    result.survival = controller->survival(1);
    for (const sparsity::UpdateRecord& update : controller->records()) {
      result.updates.push_back(
          {.step = update.step, .iou_after_prune = update.iou_after_prune, .iou_after_grow = update.iou_after_grow});
    }
  }
  if (!fitted.stopped) {
    const EpochRecord& last = fitted.records.back();
    result.train_loss = last.loss;
    result.validation_accuracy = (last.validation ? *last.validation : options.validate()).accuracy;
    std::vector<std::int64_t> test(static_cast<std::size_t>(data.test.size()));
    std::iota(test.begin(), test.end(), 0);
    result.accuracy = evaluate(*model, data.test, test, seed.normalisation).accuracy;
  }
  result.records = std::move(fitted.records);
  return result;
}

}  // namespace coppice::train::reactivation
