#include <cstdio>
#include <memory>

#include <coppice/ops/plan.h>
#include <coppice/trainers/cli/commands.h>
#include <coppice/trainers/cli/trained.h>
#include <coppice/trainers/plans.h>
#include <coppice/trainers/recipe/build.h>
#include <coppice/trainers/train.h>

namespace coppice::train::cli {
namespace {

struct Arguments {
  std::string checkpoint;
  std::string data;
  std::string split = "test";
  std::string plan;
};

int run_eval(const Arguments& arguments) {
  const Checkpoint checkpoint = open_checkpoint(arguments.checkpoint);
  const Plan plan = arguments.plan.empty() ? plan_of(checkpoint) : as_usage([&] { return read_plan(arguments.plan); });
  if (const std::string note = foreign_plan(plan); !note.empty()) std::fprintf(stderr, "coppice: %s\n", note.c_str());
  Recipe recipe = recipe_of(checkpoint);
  if (!arguments.data.empty()) recipe.data.path = arguments.data;
  const RecipeData data = load_data(recipe);
  complete(recipe, data);
  const std::shared_ptr<nn::Module> model = build_model(recipe);
  restore(checkpoint, *model);

  const PlanScope scope(plan);
  const bool test = arguments.split == "test";
  const Evaluation evaluation = evaluate(*model, test ? data.test : data.validation,
                                         test ? data.test_positions : data.split.validation, data.normalisation);
  // A checkpoint's plan is of its training, whose problems an evaluation does not have.
  if (const std::string note = unmet_problems(scope); !arguments.plan.empty() && !note.empty()) {
    std::fprintf(stderr, "coppice: %s\n", note.c_str());
  }
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
  command->add_option("--plan", arguments->plan,
                      "follow this plan (default: that of the training, if there was one); none: the cost model");
  command->footer("Example:\n  coppice eval runs/mine --split validation");
  command->callback([arguments, &context] { context.run = [arguments] { return run_eval(*arguments); }; });
}

}  // namespace coppice::train::cli
