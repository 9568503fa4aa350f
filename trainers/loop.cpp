#include <coppice/trainers/loop.h>

#include <algorithm>
#include <chrono>
#include <ctime>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/allocator.h>
#include <coppice/models/nn/module.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/ops/optim/optimizer.h>
#include <coppice/sparsity/controller.h>

namespace coppice::train {
namespace {

/// Wall clock and this thread's processor time, while running.
class Stopwatch {
 public:
  Stopwatch(double wall_seconds, double cpu_seconds) : wall_seconds_(wall_seconds), cpu_seconds_(cpu_seconds) {}
  void start() {
    wall_ = std::chrono::steady_clock::now();
    cpu_ = thread_seconds();
  }
  void stop() {
    wall_seconds_ += std::chrono::duration<double>(std::chrono::steady_clock::now() - wall_).count();
    cpu_seconds_ += thread_seconds() - cpu_;
  }
  double wall_seconds() const { return wall_seconds_; }
  double cpu_seconds() const { return cpu_seconds_; }

 private:
  static double thread_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
  }

  std::chrono::steady_clock::time_point wall_;
  double cpu_ = 0.0;
  double wall_seconds_;
  double cpu_seconds_;
};

/// Rows of `logits` whose first largest element is at the label's column.
std::int64_t count_correct(const Tensor& logits, const Tensor& labels) {
  const std::int64_t rows = logits.size(0);
  const std::int64_t columns = logits.size(1);
  const float* row = logits.data<float>();
  const std::int64_t* label = labels.data<std::int64_t>();
  std::int64_t correct = 0;
  for (std::int64_t i = 0; i < rows; ++i, row += columns) {
    correct += std::max_element(row, row + columns) - row == label[i] ? 1 : 0;
  }
  return correct;
}

void add(Tally& tally, const Tensor& mean_loss, const Tensor& logits, const Tensor& labels) {
  const std::int64_t images = labels.numel();
  tally.loss += mean_loss.item<double>() * static_cast<double>(images);
  tally.correct += count_correct(logits, labels);
  tally.count += images;
}

Evaluation means(const Tally& tally) {
  const auto images = static_cast<double>(std::max<std::int64_t>(tally.count, 1));
  return {.loss = tally.loss / images, .accuracy = static_cast<double>(tally.correct) / images, .count = tally.count};
}

/// Serves batches without end, epoch after epoch, from the one of step `first`.
class EndlessBatches {
 public:
  EndlessBatches(DataLoader& loader, std::int64_t first) : loader_(loader), epoch_(first / loader.batches()) {
    loader_.start(epoch_, first % loader_.batches());
  }
  Batch next() {
    std::optional<Batch> batch = loader_.next();
    if (!batch) {
      loader_.start(++epoch_);
      batch = loader_.next();
    }
    return std::move(*batch);
  }

 private:
  DataLoader& loader_;
  std::int64_t epoch_;
};

}  // namespace

Evaluation evaluate(nn::Module& model, const Dataset& dataset, std::span<const std::int64_t> indices,
                    const Normalisation& normalisation, std::int64_t batch_size) {
  return evaluate(model, in_memory(dataset), indices, normalisation, batch_size);
}

Evaluation evaluate(nn::Module& model, std::shared_ptr<const ExampleSource> source,
                    std::span<const std::int64_t> indices, const Normalisation& normalisation,
                    std::int64_t batch_size) {
  if (indices.empty()) return {};
  const NoGrad no_grad;
  const bool training = model.is_training();
  model.eval();
  DataLoader loader(std::move(source), {indices.begin(), indices.end()},
                    {.batch_size = batch_size, .shuffle = false, .drop_last = false, .normalisation = normalisation});
  Tally tally;
  loader.start(0);
  while (const std::optional<Batch> batch = loader.next()) {
    const Tensor logits = model(batch->images);
    add(tally, cross_entropy(logits, batch->labels), logits, batch->labels);
  }
  model.train(training);
  return means(tally);
}

FitResult fit(nn::Module& model, optim::Optimizer& optimizer, DataLoader& loader, sparsity::MaskController* controller,
              const FitOptions& options) {
  COPPICE_CHECK(options.steps >= 0, "[fit] expects steps >= 0; got ", options.steps);
  const std::int64_t record_every = options.record_every > 0 ? options.record_every : loader.batches();

  FitResult result = options.resume ? *options.resume : FitResult{};
  result.stopped = false;
  COPPICE_CHECK(result.steps >= 0 && result.steps <= options.steps, "[fit] expects to resume within ", options.steps,
                " steps; got ", result.steps);
  Stopwatch watch(result.seconds, result.cpu_seconds);
  EndlessBatches batches(loader, result.steps);
  bool exploring = controller && controller->decide(result.steps).exploring;
  std::int64_t saved_at = options.resume ? result.steps : -1;
  FlopScope flops;
  const auto note_peak = [&] {
    std::int64_t& peak = exploring ? result.exploration_peak_bytes : result.exploitation_peak_bytes;
    peak = std::max(peak, cpu_allocator().stats().peak);
    result.peak_bytes = std::max(result.peak_bytes, peak);
    cpu_allocator().reset_peak();
  };
  // Evaluating and saving are no training: what they take lies between pause and go_on.
  const auto pause = [&] {
    watch.stop();
    note_peak();
    result.seconds = watch.wall_seconds();
    result.cpu_seconds = watch.cpu_seconds();
  };
  const auto go_on = [&] {
    flops.reset();
    cpu_allocator().reset_peak();
    watch.start();
  };
  const auto save = [&] {
    if (options.on_checkpoint && result.steps != saved_at) options.on_checkpoint(result);
    saved_at = result.steps;
  };

  const std::int64_t first_step = result.steps;
  model.train();
  go_on();
  for (std::int64_t step = result.steps; step < options.steps; ++step) {
    if (options.stop && options.stop->load(std::memory_order_relaxed)) {
      result.stopped = true;
      break;
    }
    optimizer.set_lr_factor(options.lr_factor ? options.lr_factor(step) : 1.0);
    if (controller && controller->decide(step).exploring != exploring) {
      note_peak();
      exploring = !exploring;
    }
    if (controller) controller->begin_step(step);
    const Batch batch = batches.next();
    optimizer.zero_grad();
    {
      std::optional<PlanRecorder> kernels;
      if (step == first_step && options.on_kernels) kernels.emplace();
      const Tensor logits = model(batch.images);
      const Tensor loss = cross_entropy(logits, batch.labels);
      loss.backward();
      if (kernels) options.on_kernels(kernels->plan());
      add(result.since_record, loss, logits, batch.labels);
    }
    if (controller) {
      controller->end_step(step, optimizer);
    } else {
      optimizer.step();
    }
    result.steps = step + 1;
    // Step by step, so that the sum does not depend on where training paused.
    for (std::size_t phase = 0; phase < flops.count().dense.size(); ++phase) {
      result.flops.dense[phase] += flops.count().dense[phase];
      result.flops.effective[phase] += flops.count().effective[phase];
    }
    flops.reset();

    if (result.steps % record_every == 0 || result.steps == options.steps) {
      pause();
      const Evaluation mean = means(result.since_record);
      EpochRecord record{.step = result.steps,
                         .epoch = static_cast<double>(result.steps) / static_cast<double>(loader.batches()),
                         .learning_rate = optimizer.lr(),
                         .loss = mean.loss,
                         .accuracy = mean.accuracy,
                         .seconds = result.seconds,
                         .effective_flops = result.flops.total_effective()};
      if (options.validate && !exploring) record.validation = options.validate();
      result.records.push_back(record);
      result.since_record = {};
      if (options.on_record) options.on_record(record);
      go_on();
    }
    if (options.checkpoint_every > 0 && result.steps % options.checkpoint_every == 0) {
      pause();
      save();
      go_on();
    }
    if (options.on_step) options.on_step(result.steps);
  }
  pause();
  save();
  optimizer.set_lr_factor(1.0);
  return result;
}

}  // namespace coppice::train
