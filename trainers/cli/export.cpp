#include <cstdio>
#include <memory>

#include <coppice/core/io/pruned.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/interchange/start.h>
#include <coppice/trainers/interchange/weights.h>
#include <coppice/trainers/reactivation/recipe.h>

namespace coppice::train::cli {
namespace {

struct StartArguments {
  std::string recipe;
  std::string method;
  std::string scale = "quick";
  std::string data;
  double sparsity = 0.9;
  std::int64_t seed = -1;
  std::int64_t epochs = 1;
  std::vector<std::string> set;
  std::string out;
};

Recipe recipe_of(const StartArguments& arguments) {
  Recipe recipe = arguments.recipe.empty()
                      ? reactivation_recipe(arguments.method, arguments.sparsity, 0, arguments.scale, arguments.data)
                      : read_recipe(arguments.recipe);
  COPPICE_CHECK(recipe.sweep.empty(), "[export] expects a recipe of one training; ", arguments.recipe, " has a sweep");
  for (const std::string& setting : arguments.set) {
    const std::size_t equals = setting.find('=');
    COPPICE_CHECK(equals != std::string::npos, "--set expects KEY=VALUE; got ", setting);
    set(recipe, setting.substr(0, equals), setting.substr(equals + 1));
  }
  if (arguments.seed >= 0) recipe.training.seed = static_cast<std::uint64_t>(arguments.seed);
  if (!arguments.data.empty()) recipe.data.path = arguments.data;
  return recipe;
}

int run_start(const StartArguments& arguments) {
  const Start start = start_of(recipe_of(arguments), arguments.epochs);
  if (!start.setup.note.empty()) std::fprintf(stderr, "%s\n", start.setup.note.c_str());
  save_start(arguments.out, start);
  std::printf("written: %s, the start of %s with seed %llu and the order of %zu epochs\n", arguments.out.c_str(),
              start.recipe.name.c_str(), static_cast<unsigned long long>(start.recipe.training.seed),
              start.orders.size());
  return 0;
}

struct WeightsArguments {
  std::string file;
  std::string out;
  bool pairs = false;
};

int run_weights(const WeightsArguments& arguments) {
  const PrunedView view = arguments.pairs ? PrunedView::Pairs : PrunedView::Dense;
  const std::size_t count = export_weights(arguments.file, arguments.out, view);
  std::printf("written: %s, %zu tensors\n", arguments.out.c_str(), count);
  return 0;
}

void add_start(CLI::App& parent, Context& context) {
  CLI::App* start = parent.add_subcommand(
      "start", "Initial weights, masks and order of the data of a training, as safetensors and .npy");
  auto arguments = std::make_shared<StartArguments>();
  CLI::Option* recipe = start->add_option("--recipe", arguments->recipe, "of this recipe")->check(CLI::ExistingFile);
  std::vector<std::string> names;
  for (const reactivation::Method& row : reactivation::methods()) names.push_back(row.name);
  CLI::Option* method = start->add_option("--method", arguments->method, "of this row of `reproduce reactivation`")
                            ->check(CLI::IsMember(names))
                            ->excludes(recipe);
  start->add_option("--sparsity", arguments->sparsity, "of the row")->needs(method)->capture_default_str();
  start->add_option("--scale", arguments->scale, "of the reproduction: quick or small")
      ->check(CLI::IsMember({"quick", "small"}))
      ->needs(method)
      ->capture_default_str();
  start->add_option("--data", arguments->data, "directory of the data");
  start->add_option("--seed", arguments->seed, "instead of the recipe's; 0 for a row")->check(CLI::NonNegativeNumber);
  start->add_option("--set", arguments->set, "KEY=VALUE for any field of the recipe");
  start->add_option("--epochs", arguments->epochs, "how many epochs' order")
      ->check(CLI::PositiveNumber)
      ->capture_default_str();
  start->add_option("--out", arguments->out, "directory to write")->required();
  start->footer("Example:\n  coppice export start --method rigl --sparsity 0.95 --out start");
  start->callback([=, &context] {
    if (recipe->count() + method->count() == 0) throw CLI::RequiredError("--recipe or --method");
    context.run = [arguments] { return run_start(*arguments); };
  });
}

void add_weights(CLI::App& parent, Context& context) {
  CLI::App* weights = parent.add_subcommand(
      "weights", "A network of a checkpoint or another file, for other frameworks: dense weights and their masks");
  auto arguments = std::make_shared<WeightsArguments>();
  weights->add_option("file", arguments->file, "checkpoint, safetensors or .pth file")->required();
  weights->add_option("out", arguments->out, "safetensors or .pth file to write")->required();
  weights->add_flag("--pairs", arguments->pairs, "write weight_orig and weight_mask, as torch.nn.utils.prune does");
  weights->footer(
      "Example:\n  coppice export weights runs/mine/checkpoints/step-4000.safetensors mine.safetensors --pairs");
  weights->callback([arguments, &context] { context.run = [arguments] { return run_weights(*arguments); }; });
}

}  // namespace

void add_export(CLI::App& app, Context& context) {
  CLI::App* exported = app.add_subcommand("export", "Write weights, masks and data order for another framework");
  exported->footer("Example:\n  coppice export start --method rigl --sparsity 0.95 --out start");
  exported->require_subcommand(1);
  add_start(*exported, context);
  add_weights(*exported, context);
}

}  // namespace coppice::train::cli
