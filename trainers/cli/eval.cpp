#include <cstdio>
#include <memory>

#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/train.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string data;
  std::string split = "test";
};

/// A file, or the newest in a training's directory.
Checkpoint open(const std::filesystem::path& path) {
  if (!std::filesystem::is_directory(path)) return load_checkpoint(path);
  const std::filesystem::path below = path / "checkpoints";
  LatestCheckpoint latest = latest_checkpoint(std::filesystem::is_directory(below) ? below : path);
  for (const std::string& warning : latest.warnings)
    std::fprintf(stderr, "coppice: passed over: %s\n", warning.c_str());
  COPPICE_CHECK(latest.checkpoint, path.string(), " holds no checkpoint that can be read");
  return std::move(*latest.checkpoint);
}

int run_eval(const Arguments& arguments) {
  const Checkpoint checkpoint = open(arguments.checkpoint);
  Recipe recipe = recipe_of(checkpoint);
  if (!arguments.data.empty()) recipe.data.path = arguments.data;
  const RecipeData data = load_data(recipe);
  complete(recipe, data);
  const std::shared_ptr<nn::Module> model = build_model(recipe);
  restore(checkpoint, *model);

  const bool test = arguments.split == "test";
  const Evaluation evaluation = evaluate(*model, test ? data.test : data.validation,
                                         test ? data.test_positions : data.split.validation, data.normalisation);
  std::printf("%s after step %lld: %s accuracy %.2f %%, loss %.4f on %lld images; %lld of %lld parameters alive\n",
              recipe.name.c_str(), static_cast<long long>(checkpoint.progress.steps), arguments.split.c_str(),
              100.0 * evaluation.accuracy, evaluation.loss, static_cast<long long>(evaluation.count),
              static_cast<long long>(model->parameter_count(true)), static_cast<long long>(model->parameter_count()));
  return 0;
}

}  // namespace

void add_eval(CLI::App& app, Context& context) {
  CLI::App* command = app.add_subcommand("eval", "Test the network of a checkpoint");
  auto arguments = std::make_shared<Arguments>();
  command
      ->add_option("checkpoint", arguments->checkpoint, "a checkpoint, or the directory of a training for its newest")
      ->required()
      ->check(CLI::ExistingPath);
  command->add_option("--data", arguments->data, "directory of the data (default: the recipe's data.path)");
  command->add_option("--split", arguments->split, "which images")
      ->check(CLI::IsMember({"test", "validation"}))
      ->capture_default_str();
  command->footer("Example:\n  coppice eval runs/mine --split validation");
  command->callback([arguments, &context] { context.run = [arguments] { return run_eval(*arguments); }; });
}

}  // namespace coppice::train::cli
