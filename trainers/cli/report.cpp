#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/report/report.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::vector<std::filesystem::path> inputs;
  std::string out;
};

/// One directory is rendered in place; a merged report gets a place of its own, beside none of its sources.
std::filesystem::path output_of(const Arguments& arguments) {
  const std::vector<std::filesystem::path>& inputs = arguments.inputs;
  if (arguments.out.empty()) {
    return inputs.size() == 1 && std::filesystem::is_directory(inputs[0]) ? inputs[0] : "runs/report";
  }
  for (const std::filesystem::path& input : inputs) {
    const std::filesystem::path source = std::filesystem::is_directory(input) ? input : input.parent_path();
    std::error_code missing;
    COPPICE_CHECK(
        inputs.size() == 1 || !std::filesystem::equivalent(source.empty() ? "." : source, arguments.out, missing),
        "--out ", arguments.out, " holds the input ", input.string(),
        "; a merged report would replace its results.csv");
  }
  return arguments.out;
}

int render(const Arguments& arguments) {
  const std::filesystem::path out = output_of(arguments);
  const std::vector<report::Comparison> comparisons = report::merge(report::read_inputs(arguments.inputs));
  for (const report::Comparison& comparison : comparisons) {
    for (const std::string& difference : comparison.differences) {
      std::fprintf(stderr, "coppice: conditions differ: %s\n", difference.c_str());
    }
  }
  report::save_report(out, comparisons);
  std::printf("written: %s/report.html, results.csv, table.tex\n", out.c_str());
  return 0;
}

}  // namespace

void add_report(CLI::App& app, Context& context) {
  CLI::App* command =
      app.add_subcommand("report", "Write report.html, results.csv and table.tex from runs, merged where several");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("input", arguments->inputs,
                   "directories of runs, results.json files, or .csv tables of other tools (docs/report.md)")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option(
      "--out", arguments->out,
      "where the files go (default: the directory itself where it is the only input, else runs/report)");
  command->footer("Example:\n  coppice report runs/first runs/second --out runs/both");
  command->callback([arguments, &context] { context.run = [arguments] { return render(*arguments); }; });
}

}  // namespace coppice::train::cli
