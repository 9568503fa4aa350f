#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include <coppice/core/generator.h>
#include <coppice/core/parallel.h>
#include <coppice/models/nn/fold.h>
#include <coppice/models/nn/inference_session.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/trained.h>
#include <coppice/trainers/measure/clock.h>
#include <coppice/trainers/plans.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/train.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string plan;
  std::int64_t batch = 1;
  int threads = 1;
  int runs = 200;
  bool unfolded = false;
};

/// The smallest of sorted values that at least that fraction do not exceed.
double quantile(const std::vector<double>& sorted, double fraction) {
  const auto rank = static_cast<std::size_t>(std::ceil(fraction * static_cast<double>(sorted.size())));
  return sorted[std::max<std::size_t>(rank, 1) - 1];
}

double mebibytes(std::int64_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

int run_infer(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint);
  nn::InferenceOptions options;
  if (!arguments.plan.empty()) options.plan = as_usage([&] { return read_plan(arguments.plan); });
  Recipe recipe = recipe_of(checkpoint);
  recipe.model.weights.clear();
  const RecipeData data = random_data(recipe);
  complete(recipe, data);
  const std::shared_ptr<nn::Module> model = build_model(recipe);
  restore(checkpoint, *model);
  model->eval();
  set_num_threads(arguments.threads);

  const Shape image = data.train->image_shape();
  const Shape shape{arguments.batch, image[0], image[1], image[2]};
  const std::int64_t folded = arguments.unfolded ? 0 : nn::fold_batch_norm(*model, {1, image[0], image[1], image[2]});
  nn::InferenceSession session(model, shape, options);
  Generator generator(1);
  const Tensor images = Tensor::randn(shape, generator);
  constexpr int kWarmup = 3;
  std::vector<double> seconds;
  for (int i = -kWarmup; i < arguments.runs; ++i) {
    const double start = measure::wall_seconds();
    session(images);
    if (i >= 0) seconds.push_back(measure::wall_seconds() - start);
  }
  std::ranges::sort(seconds);
  const double p50 = quantile(seconds, 0.5);
  std::printf("%s after step %lld: %lld of %lld parameters alive, %lld norms folded\n", recipe.name.c_str(),
              static_cast<long long>(checkpoint.progress.steps), static_cast<long long>(model->parameter_count(true)),
              static_cast<long long>(model->parameter_count()), static_cast<long long>(folded));
  std::printf("batch %lld, %d thread%s, %d runs: p50 %.3f ms, p99 %.3f ms, %.1f images per second\n",
              static_cast<long long>(arguments.batch), arguments.threads, arguments.threads == 1 ? "" : "s",
              arguments.runs, 1e3 * p50, 1e3 * quantile(seconds, 0.99), static_cast<double>(arguments.batch) / p50);
  const nn::InferenceSession::Memory memory = session.memory();
  std::printf("arena %.2f MiB for %lld tensors of %.2f MiB, %lld allocations beside it\n",
              mebibytes(memory.arena_bytes), static_cast<long long>(memory.planned), mebibytes(memory.tensor_bytes),
              static_cast<long long>(memory.unplanned));
  return kSuccess;
}

}  // namespace

void add_infer(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("infer", "Time the network of a checkpoint on random images (docs/inference.md)");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("checkpoint", arguments->checkpoint, "a checkpoint, or the directory of a training for its newest")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--batch", arguments->batch, "images in a run")
      ->check(CLI::Range(1, 65536))
      ->capture_default_str();
  command->add_option("--threads", arguments->threads, "that a run uses")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--runs", arguments->runs, "that are timed, after three that are not")
      ->check(CLI::Range(1, 1000000))
      ->capture_default_str();
  command->add_option("--plan", arguments->plan, "follow this plan (docs/plans.md)");
  command->add_flag("--unfolded", arguments->unfolded, "keep batch norms as they are");
  command->footer("Example:\n  coppice infer runs/mine --batch 1 --threads 1");
  command->callback([arguments, &context] { context.run = [arguments] { return run_infer(*arguments); }; });
}

}  // namespace coppice::train::cli
