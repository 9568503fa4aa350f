#include <cstdio>
#include <memory>
#include <optional>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/allocator.h>
#include <coppice/core/generator.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/core/parallel.h>
#include <coppice/ops/cross_entropy.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/trained.h>
#include <coppice/trainers/measure/conditions.h>
#include <coppice/trainers/measure/tuning.h>
#include <coppice/trainers/train.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string subject;
  std::vector<std::string> set;
  bool inference = false;
  std::int64_t batch = 0;
  int threads = 1;
  std::string isa;
  int rounds = 11;
  std::string out = "fast.plan";
};

/// What the network is built from, and what it then is.
struct Subject {
  Recipe recipe{};
  std::optional<Checkpoint> checkpoint{};
};

Subject read_subject(const Arguments& arguments) {
  Subject subject;
  if (arguments.subject.ends_with(".toml")) {
    subject.recipe = as_usage([&] { return read_recipe(arguments.subject); });
    as_usage([&] {
      COPPICE_CHECK(subject.recipe.sweep.empty(), "tune expects a recipe without a sweep");
      for (const std::string& setting : arguments.set) {
        const auto [key, value] = key_and_value(setting);
        set(subject.recipe, key, value);
      }
      validate(subject.recipe);
      return true;
    });
    return subject;
  }
  if (!arguments.set.empty()) throw UsageError("--set expects a recipe; a checkpoint has its own");
  subject.checkpoint = open_checkpoint(arguments.subject);
  subject.recipe = recipe_of(*subject.checkpoint);
  subject.recipe.model.weights.clear();
  return subject;
}

void show(const measure::TunedProblem& problem) {
  std::fprintf(stderr, "%s: %s\n", problem.problem.c_str(), problem.candidates[problem.kept].name.c_str());
}

int run(const Arguments& arguments, const std::string& command) {
  Subject subject = read_subject(arguments);
  as_usage([&] {
    if (!arguments.isa.empty()) measure::force_isa(arguments.isa);
    return true;
  });
  set_num_threads(arguments.threads);
  Recipe& recipe = subject.recipe;
  if (arguments.batch > 0) {
    recipe.training.batch_size = arguments.batch;
  } else if (arguments.inference) {
    recipe.training.batch_size = kEvaluationBatch;
  }

  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope kept(allocator);
  const RecipeData data = random_data(recipe);
  complete(recipe, data);
  const TrainingSetup setup = set_up(recipe, data);
  if (subject.checkpoint) restore(*subject.checkpoint, *setup.model);
  setup.loader->start(0);
  const Batch batch = *setup.loader->next();
  const auto step = [&] {
    setup.optimizer->zero_grad();
    cross_entropy((*setup.model)(batch.images), batch.labels).backward();
  };
  const auto infer = [&] {
    const NoGrad no_grad;
    (*setup.model)(batch.images);
  };
  setup.model->train(!arguments.inference);
  measure::TuningOptions options;
  options.sampling.rounds = arguments.rounds;
  options.on_problem = show;
  const std::vector<measure::TunedProblem> problems =
      arguments.inference ? measure::tune(infer, options) : measure::tune(step, options);
  const measure::Conditions conditions = measure::current_conditions(command);
  measure::tuned_plan(problems, conditions).save(arguments.out);
  std::fputs(measure::tuning_table(problems).c_str(), stdout);
  std::printf("written: %s, %zu problems\n", arguments.out.c_str(), problems.size());
  return kSuccess;
}

}  // namespace

void add_tune(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand(
      "tune", "Time the kernels of a network's step and write the fastest as a plan (docs/plans.md)");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("subject", arguments->subject, "a recipe (.toml), a checkpoint, or the directory of a training")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--set", arguments->set, "KEY=VALUE, any key of the recipe, e.g. policy.density=0.1");
  command->add_flag("--inference", arguments->inference, "the forward pass in evaluation mode, not a training step");
  command
      ->add_option("--batch", arguments->batch, "images (default: the recipe's; with --inference 256, as eval takes)")
      ->check(CLI::PositiveNumber);
  command->add_option("--threads", arguments->threads, "one: processor time counts; several: wall-clock time")
      ->check(CLI::Range(1, 1024))
      ->capture_default_str();
  command->add_option("--isa", arguments->isa, "keep kernels to avx512, avx2, sse4, neon or generic");
  command->add_option("--rounds", arguments->rounds, "samples of every kernel; fewer than 6 decide nothing")
      ->check(CLI::Range(3, 1000))
      ->capture_default_str();
  command->add_option("--out", arguments->out, "the plan")->capture_default_str();
  command->footer(
      "Examples:\n"
      "  coppice tune mine.toml --out fast.plan\n"
      "  coppice train mine.toml --plan fast.plan --out runs/mine\n"
      "  coppice tune runs/mine --inference --batch 1 --out one.plan");
  command->callback(
      [arguments, &context] { context.run = [arguments, &context] { return run(*arguments, context.command_line); }; });
}

}  // namespace coppice::train::cli
