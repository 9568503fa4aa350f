#include <coppice/trainers/train.h>

#include <cstdio>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/progress.h>
#include <coppice/trainers/plans.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string recipe;
  std::vector<std::string> set;
  bool keys = false;
  std::string out;
  bool resume = false;
  std::string from;
  std::string plan;
};

/// Shows a training on standard error: a bar on a terminal, else a line at every record.
class TrainingPrinter {
 public:
  void watch(TrainOptions& options) {
    options.on_start = [this](std::int64_t first_step, std::int64_t steps) {
      steps_ = steps;
      bar_.start_at(fraction(first_step));
      if (first_step > 0) note("goes on after step " + std::to_string(first_step));
    };
    options.on_step = [this](std::int64_t done) { bar_.draw(fraction(done), status_); };
    options.on_record = [this](const EpochRecord& record) { show(record); };
    options.on_note = [this](const std::string& text) { note(text); };
  }
  void finish() { bar_.finish(); }

 private:
  double fraction(std::int64_t done) const {
    return steps_ > 0 ? static_cast<double>(done) / static_cast<double>(steps_) : 1.0;
  }
  void note(const std::string& text) {
    bar_.finish();
    std::fprintf(stderr, "coppice: %s\n", text.c_str());
  }
  void show(const EpochRecord& record) {
    char text[160];
    int length = std::snprintf(text, sizeof text, "step %lld, epoch %.2f: loss %.4f",
                               static_cast<long long>(record.step), record.epoch, record.loss);
    if (record.validation) {
      std::snprintf(text + length, sizeof text - static_cast<std::size_t>(length), ", validation %.2f %%",
                    100.0 * record.validation->accuracy);
    }
    status_ = text;
    if (!bar_.on_terminal()) std::fprintf(stderr, "%s, %.1f s\n", text, record.seconds);
  }

  ProgressBar bar_;
  std::int64_t steps_ = 0;
  std::string status_ = "begins";
};

void report(const TrainResult& result, const std::string& directory) {
  const FitResult& fitted = result.fitted;
  std::printf("test accuracy %.2f %%, loss %.4f on %lld images\n", 100.0 * result.test->accuracy, result.test->loss,
              static_cast<long long>(result.test->count));
  std::printf("%lld of %lld weights alive; %lld steps in %.1f s of training, %.3g FLOP\n",
              static_cast<long long>(result.alive), static_cast<long long>(result.weights),
              static_cast<long long>(fitted.steps), fitted.seconds, fitted.flops.total_effective());
  std::printf("written: %s/metrics.json, log.csv, log.jsonl, recipe.resolved.toml and %s\n", directory.c_str(),
              result.checkpoint.string().c_str());
}

/// Whether it came to its end.
bool train_one(const Recipe& recipe, const std::string& directory, const Arguments& arguments, const Context& context) {
  TrainOptions options{.resume = arguments.resume, .from = arguments.from, .stop = context.stop};
  if (!arguments.plan.empty()) options.plan = as_usage([&] { return read_plan(arguments.plan); });
  TrainingPrinter printer;
  printer.watch(options);
  const TrainResult result = train(recipe, directory, options);
  printer.finish();
  if (!result.fitted.stopped) {
    report(result, directory);
    return true;
  }
  const std::string again = context.command_line + (arguments.resume ? "" : " --resume");
  const std::string saved =
      result.checkpoint.empty() ? "nothing was trained yet" : "saved " + result.checkpoint.string();
  std::fprintf(stderr, "coppice: stopped after step %lld; %s; go on with\n  %s\n",
               static_cast<long long>(result.fitted.steps), saved.c_str(), again.c_str());
  return false;
}

Recipe read_arguments(const Arguments& arguments) {
  Recipe recipe = arguments.recipe.empty() ? Recipe{} : read_recipe(arguments.recipe);
  for (const std::string& setting : arguments.set) {
    const auto [key, value] = key_and_value(setting);
    set(recipe, key, value);
  }
  return recipe;
}

int run_train(const Arguments& arguments, const Context& context) {
  const Recipe recipe = as_usage([&] { return read_arguments(arguments); });
  if (arguments.keys) {
    print_keys(recipe_keys(recipe));
    return kSuccess;
  }
  if (arguments.recipe.empty()) throw UsageError("train expects a recipe; got none");
  const std::string out = arguments.out.empty() ? "runs/" + recipe.name : arguments.out;
  const std::vector<Recipe> variants = as_usage([&] { return expand(recipe); });
  COPPICE_CHECK(variants.size() == 1 || arguments.from.empty(), "--from expects a recipe without a sweep");
  for (const Recipe& variant : variants) {
    const std::string directory = variants.size() == 1 ? out : out + "/" + variant.name;
    if (variants.size() > 1) std::printf("%s\n", variant.name.c_str());
    if (!train_one(variant, directory, arguments, context)) return kInterrupted;
  }
  return 0;
}

}  // namespace

void add_train(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("train", "Train the network of a recipe");
  auto arguments = std::make_shared<Arguments>();
  command->add_option("recipe", arguments->recipe, "a TOML file (docs/recipes.md)")->check(CLI::ExistingFile);
  command->add_option("--set", arguments->set, "KEY=VALUE, any key of the recipe, e.g. training.learning_rate=0.05");
  command->add_flag("--keys", arguments->keys, "print every key with its value and what it takes, and train nothing");
  command->add_option("--out", arguments->out,
                      "where recipe.resolved.toml, logs, checkpoints and metrics.json go (default: runs/NAME)");
  command->add_flag("--resume", arguments->resume, "go on from the newest checkpoint there, if there is one");
  command->add_option("--from", arguments->from, "go on from this checkpoint instead")->check(CLI::ExistingFile);
  command->add_option("--plan", arguments->plan,
                      "follow this plan of `coppice tune` (default: the checkpoint's, if it has one); none: the cost "
                      "model");
  command->footer(
      "Examples:\n"
      "  coppice train mine.toml --set training.learning_rate=0.05 --out runs/mine\n"
      "  coppice train mine.toml --out runs/mine --resume");
  command->callback(
      [arguments, &context] { context.run = [arguments, &context] { return run_train(*arguments, context); }; });
}

}  // namespace coppice::train::cli
