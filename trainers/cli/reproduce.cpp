#include <cstdio>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/progress.h>
#include <coppice/trainers/reactivation/reactivation.h>
#include <coppice/trainers/report/report.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  reactivation::Options options;
  std::string data;
  std::string out;
  std::vector<std::string> set;
  bool resume = false;
};

int reproduce_reactivation(const Arguments& arguments, const Context& context) {
  reactivation::Options options = arguments.options;
  options.command = context.command_line;
  options.stop = context.stop;
  options.data = arguments.data;
  for (const std::string& setting : arguments.set) {
    const std::size_t equals = setting.find('=');
    COPPICE_CHECK(equals != std::string::npos, "--set expects KEY=VALUE; got ", setting);
    options.set.emplace_back(setting.substr(0, equals), setting.substr(equals + 1));
  }
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
  std::printf("written: %s/report.html, results.json, results.csv, table.tex\n", out.c_str());
  if (results.interrupted) {
    std::fprintf(stderr, "coppice: interrupted; %zu finished trainings are in %s; go on with\n  %s%s\n",
                 results.runs.size(), out.c_str(), context.command_line.c_str(), arguments.resume ? "" : " --resume");
    return kInterrupted;
  }
  return 0;
}

}  // namespace

void add_reproduce(CLI::App& app, Context& context) {
  CLI::App* reproduce = app.add_subcommand("reproduce", "Re-create a paper's table");
  reproduce->require_subcommand(1);
  CLI::App* paper = reproduce->add_subcommand(
      "reactivation", "Sun et al., WACV 2025: sparse training that explores what it has pruned, beside its baselines");
  auto arguments = std::make_shared<Arguments>();
  reactivation::Options& options = arguments->options;

  paper->add_option("--scale", options.scale, "quick: digits the engine makes, minutes; small: MNIST, from --data")
      ->check(CLI::IsMember({"quick", "small"}))
      ->capture_default_str();
  paper->add_option("--data", arguments->data, "directory of MNIST's four idx files, or the one that holds mnist/")
      ->envname("COPPICE_DATA");
  paper->add_option("--seeds", options.seeds, "number of seeds (quick: 3, small: 5)")->check(CLI::PositiveNumber);
  paper->add_option("--first-seed", options.first_seed, "the first of them")->capture_default_str();
  paper->add_option("--jobs", options.jobs, "trainings side by side, one thread each (default: the processors)")
      ->check(CLI::PositiveNumber);
  std::vector<std::string> names;
  for (const reactivation::Method& row : reactivation::methods()) names.push_back(row.name);
  paper->add_option("--method", options.methods, "only these rows")->check(CLI::IsMember(names));
  paper->add_option("--sparsity", options.sparsities, "only these sparsities, e.g. 0.95 0.99")
      ->check(CLI::Range(0.0, 1.0));
  CLI::Option* steps = paper->add_option("--steps", options.steps, "length of a training")->check(CLI::PositiveNumber);
  paper->add_option("--epochs", options.epochs, "the same in epochs")->check(CLI::PositiveNumber)->excludes(steps);
  paper->add_option("--set", arguments->set,
                    "policy.FIELD=VALUE for every method with a mask policy, or METHOD.FIELD=VALUE for one, e.g. "
                    "iee.freeze_alive=false");
  paper->add_option("--out", arguments->out,
                    "where report.html, results.json, results.csv and table.tex go (default: runs/reactivation-SCALE)");
  paper->add_flag("--resume", arguments->resume, "train only what an interrupted run left undone there");
  paper->callback([arguments, &context] {
    context.run = [arguments, &context] { return reproduce_reactivation(*arguments, context); };
  });
}

}  // namespace coppice::train::cli
