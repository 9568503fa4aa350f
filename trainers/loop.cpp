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
  double wall_seconds_ = 0.0;
  double cpu_seconds_ = 0.0;
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

/// Sums of loss and hits over images.
struct Tally {
  double loss = 0.0;
  std::int64_t correct = 0;
  std::int64_t count = 0;

  void add(const Tensor& mean_loss, const Tensor& logits, const Tensor& labels) {
    const std::int64_t images = labels.numel();
    loss += mean_loss.item<double>() * static_cast<double>(images);
    correct += count_correct(logits, labels);
    count += images;
  }
  Evaluation result() const {
    const auto images = static_cast<double>(std::max<std::int64_t>(count, 1));
    return {.loss = loss / images, .accuracy = static_cast<double>(correct) / images, .count = count};
  }
};

/// Serves batches without end, epoch after epoch.
class EndlessBatches {
 public:
  explicit EndlessBatches(DataLoader& loader) : loader_(loader) { loader_.start(0); }
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
  std::int64_t epoch_ = 0;
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
    tally.add(cross_entropy(logits, batch->labels), logits, batch->labels);
  }
  model.train(training);
  return tally.result();
}

FitResult fit(nn::Module& model, optim::Optimizer& optimizer, DataLoader& loader, sparsity::MaskController* controller,
              const FitOptions& options) {
  COPPICE_CHECK(options.steps >= 0, "[fit] expects steps >= 0; got ", options.steps);
  const std::int64_t record_every = options.record_every > 0 ? options.record_every : loader.batches();

  FitResult result;
  Stopwatch watch;
  Tally tally;
  EndlessBatches batches(loader);
  model.train();
  cpu_allocator().reset_peak();
  FlopScope flops;
  bool exploring = false;
  const auto note_peak = [&] {
    std::int64_t& peak = exploring ? result.exploration_peak_bytes : result.exploitation_peak_bytes;
    peak = std::max(peak, cpu_allocator().stats().peak);
    result.peak_bytes = std::max(result.peak_bytes, peak);
    cpu_allocator().reset_peak();
  };
  // Evaluation is no training: what it counts and allocates is taken out by accounting before and resetting after it.
  const auto account = [&] {
    for (std::size_t phase = 0; phase < flops.count().dense.size(); ++phase) {
      result.flops.dense[phase] += flops.count().dense[phase];
      result.flops.effective[phase] += flops.count().effective[phase];
    }
    flops.reset();
    note_peak();
  };
  watch.start();
  for (std::int64_t step = 0; step < options.steps; ++step) {
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
      const Tensor logits = model(batch.images);
      const Tensor loss = cross_entropy(logits, batch.labels);
      loss.backward();
      tally.add(loss, logits, batch.labels);
    }
    if (controller) {
      controller->end_step(step, optimizer);
    } else {
      optimizer.step();
    }
    result.steps = step + 1;

    if (result.steps % record_every == 0 || result.steps == options.steps) {
      watch.stop();
      account();
      const Evaluation mean = tally.result();
      EpochRecord record{.step = result.steps,
                         .epoch = static_cast<double>(result.steps) / static_cast<double>(loader.batches()),
                         .learning_rate = optimizer.lr(),
                         .loss = mean.loss,
                         .accuracy = mean.accuracy,
                         .seconds = watch.wall_seconds(),
                         .effective_flops = result.flops.total_effective()};
      if (options.validate && !exploring) record.validation = options.validate();
      result.records.push_back(record);
      tally = {};
      flops.reset();
      cpu_allocator().reset_peak();
      watch.start();
    }
    if (options.on_step) options.on_step(result.steps);
  }
  watch.stop();
  account();
  optimizer.set_lr_factor(1.0);
  result.seconds = watch.wall_seconds();
  result.cpu_seconds = watch.cpu_seconds();
  return result;
}

}  // namespace coppice::train
