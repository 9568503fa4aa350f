#include <cstdio>
#include <cstdlib>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/progress.h>
#include <coppice/trainers/plans.h>
#include <coppice/trainers/reactivation/settings.h>
#include <coppice/trainers/report/report.h>

namespace coppice::train::cli {
namespace {

/// A flag that stands for a key of the table's recipe.
struct Flag {
  const char* flag;
  const char* key;
  const char* help;
  std::vector<std::string> values{};
};

struct Arguments {
  std::string scale = "quick";
  std::string recipe;
  std::vector<std::string> add;
  std::vector<Flag> flags = {
      {"--data", "data.path", "directory of MNIST's four idx files, or the one that holds mnist/ (else $COPPICE_DATA)"},
      {"--seeds", "seeds", "number of seeds (quick: 3, small: 5)"},
      {"--first-seed", "first_seed", "the first of them"},
      {"--method", "methods", "only these of the table's own rows, e.g. rigl iee"},
      {"--sparsity", "sparsities", "only these sparsities, e.g. 0.95 0.99"},
      {"--steps", "training.steps", "length of a training"},
      {"--epochs", "training.epochs", "the same in epochs"},
  };
  std::vector<std::string> set;
  int jobs = 0;
  std::string out;
  std::string plan;
  bool keys = false;
  bool resume = false;
};

std::string joined(const std::vector<std::string>& values) {
  std::string text;
  for (const std::string& value : values) {
    if (!text.empty()) text += ',';
    text += value;
  }
  return text;
}

/// Later ones win: the scale, the recipe, flags, --set.
reactivation::Options read_options(const Arguments& arguments) {
  reactivation::Options options{.scale = arguments.scale, .jobs = arguments.jobs};
  if (!arguments.recipe.empty()) reactivation::read_table(arguments.recipe, options);
  for (const std::string& file : arguments.add) {
    for (reactivation::Method& row : reactivation::read_methods(file)) options.added.push_back(std::move(row));
  }
  for (const Flag& flag : arguments.flags) {
    if (!flag.values.empty()) reactivation::set(options, flag.key, joined(flag.values));
  }
  for (const std::string& setting : arguments.set) {
    const auto [key, value] = key_and_value(setting);
    reactivation::set(options, key, value);
  }
  reactivation::check_settings(options);
  const char* data = std::getenv("COPPICE_DATA");
  if (options.data.empty() && data) options.data = data;
  return options;
}

int reproduce_reactivation(const Arguments& arguments, const Context& context) {
  reactivation::Options options = as_usage([&] { return read_options(arguments); });
  if (arguments.keys) {
    print_keys(reactivation::recipe_keys(options));
    return kSuccess;
  }
  if (!arguments.plan.empty()) options.plan = as_usage([&] { return read_plan(arguments.plan); });
  if (const std::string note = foreign_plan(options.plan); !note.empty()) {
    std::fprintf(stderr, "coppice: %s\n", note.c_str());
  }
  options.command = context.command_line;
  options.stop = context.stop;
  const std::string out = arguments.out.empty() ? "runs/reactivation-" + options.scale : arguments.out;

  options.runs = std::filesystem::path(out) / "runs";
  options.resume = arguments.resume;

  ProgressPrinter progress;
  options.on_progress = [&](const reactivation::Progress& now) { progress(now); };
  const Results results = reactivation::reproduce(options);
  progress.finish();
  std::fputs(reactivation::report(results).c_str(), stdout);
  save_results(out, results);
  report::save_report(out, report::merge({.parts = {{.name = "this run", .results = results}}}));
  std::printf("written: %s/report.html, results.json, results.csv, table.tex, recipe.resolved.toml\n", out.c_str());
  if (!results.interrupted) return kSuccess;
  std::fprintf(stderr, "coppice: interrupted; %zu finished trainings are in %s; go on with\n  %s%s\n",
               results.runs.size(), out.c_str(), context.command_line.c_str(), arguments.resume ? "" : " --resume");
  return kInterrupted;
}

}  // namespace

void add_reproduce(CLI::App& app, Context& context) {
  CLI::App* reproduce = app.add_subcommand("reproduce", "Re-create a paper's table");
  reproduce->require_subcommand(1);
  reproduce->footer("Example:\n  coppice reproduce reactivation --scale quick");
  CLI::App* paper = reproduce->add_subcommand(
      "reactivation", "Sun et al., WACV 2025: sparse training that explores what it has pruned, beside its baselines");
  auto arguments = std::make_shared<Arguments>();

  CLI::Option* scale = paper
                           ->add_option("--scale", arguments->scale,
                                        "quick: digits the engine makes, minutes; small: MNIST, from --data")
                           ->check(CLI::IsMember({"quick", "small"}))
                           ->capture_default_str();
  paper->add_option("--recipe", arguments->recipe, "a TOML file of keys, e.g. the recipe.resolved.toml of another run")
      ->excludes(scale);
  paper->add_option("--add", arguments->add,
                    "a method of your own as a row of the table, from a TOML file; repeatable");
  CLI::Option* steps = nullptr;
  for (Flag& flag : arguments->flags) {
    CLI::Option* option = paper->add_option(flag.flag, flag.values, flag.help);
    const std::string key = flag.key;
    if (key != "methods" && key != "sparsities") option->expected(1);
    if (key == "training.steps") steps = option;
    if (key == "training.epochs") option->excludes(steps);
  }
  paper->add_option("--set", arguments->set,
                    "KEY=VALUE: a key of the table (training.learning_rate=0.05), policy.FIELD of every method with a "
                    "mask policy, or METHOD.FIELD of one (iee.freeze_alive=false)");
  paper->add_flag("--keys", arguments->keys, "print every key with its value and what it takes, and train nothing");
  paper->add_option("--jobs", arguments->jobs, "trainings side by side, one thread each (default: the processors)")
      ->check(CLI::PositiveNumber);
  paper->add_option("--out", arguments->out,
                    "where report.html, results.json, recipe.resolved.toml … go (default: runs/reactivation-SCALE)");
  paper->add_option("--plan", arguments->plan, "a plan of `coppice tune` that all trainings follow");
  paper->add_flag("--resume", arguments->resume, "train only what an interrupted run left undone there");
  paper->footer(
      "Examples:\n"
      "  coppice reproduce reactivation --method rigl iee --sparsity 0.98 --add mine.toml\n"
      "  coppice reproduce reactivation --scale small --data DIR --set iee.freeze_alive=false\n"
      "  coppice reproduce reactivation --recipe runs/reactivation-quick/recipe.resolved.toml");
  paper->callback([arguments, &context] {
    context.run = [arguments, &context] { return reproduce_reactivation(*arguments, context); };
  });
}

}  // namespace coppice::train::cli
