#include <coppice/trainers/train.h>

#include <algorithm>
#include <array>
#include <sstream>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/allocator.h>
#include <coppice/core/io/atomic_file.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/fine_tune.h>
#include <coppice/models/nn/foreign_weights.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/trainers/environment.h>
#include <coppice/trainers/logging/training_log.h>
#include <coppice/trainers/plans.h>
#include <coppice/trainers/recipe/build.h>
#include <nlohmann/json.hpp>

namespace coppice::train {
namespace {

using Json = nlohmann::ordered_json;

const std::string kRecipe = "recipe";
const std::string kData = "data.sha256";
const std::string kIsa = "isa";
const std::string kPlan = "plan";
const std::string kKernels = "kernels";

/// Keys that may differ between a training and its continuation: they do not change what it computes.
constexpr std::array<std::string_view, 5> kFree = {"name", "data.path", "training.workers", "checkpoint.every",
                                                   "checkpoint.keep"};

void check_same_recipe(const Checkpoint& checkpoint, const Recipe& recipe) {
  const auto before = to_pairs(recipe_of(checkpoint));
  const auto now = to_pairs(recipe);
  for (const auto& [key, value] : now) {
    if (std::ranges::find(kFree, key) != kFree.end()) continue;
    const auto found = std::ranges::find(before, key, &std::pair<std::string, std::string>::first);
    const std::string was = found == before.end() ? "nothing" : found->second;
    COPPICE_CHECK(was == value, "[train] ", checkpoint.file.string(), " was trained with ", key, " = ", was, "; got ",
                  value, "; a training goes on only as it began");
  }
}

/// What to go on from; empty: nothing.
std::optional<Checkpoint> find_checkpoint(const std::filesystem::path& folder, const TrainOptions& options) {
  if (!options.from.empty()) return load_checkpoint(options.from);
  LatestCheckpoint latest = latest_checkpoint(folder);
  COPPICE_CHECK(options.resume || (!latest.checkpoint && latest.warnings.empty()), "[train] ",
                folder.parent_path().string(), " holds a training already; resume it, or train elsewhere");
  for (const std::string& warning : latest.warnings) {
    if (options.on_note) options.on_note("passed over: " + warning);
  }
  COPPICE_CHECK(latest.checkpoint || latest.warnings.empty(), "[train] ", folder.string(),
                " holds checkpoints, but none that can be read; remove them to begin anew");
  return std::move(latest.checkpoint);
}

std::string text_of(const Checkpoint& checkpoint, const std::string& key) {
  const auto found = checkpoint.metadata.find(key);
  return found == checkpoint.metadata.end() ? std::string() : found->second;
}

void check_data(const Checkpoint& checkpoint, const RecipeData& data, const TrainOptions& options) {
  const auto find = [&](const std::string& key) { return text_of(checkpoint, key); };
  COPPICE_CHECK(find(kData) == data.digest, "[train] ", checkpoint.file.string(),
                " was trained on other data than the recipe gives now: SHA-256 ", find(kData).substr(0, 16), "…; got ",
                data.digest.substr(0, 16), "…");
  const std::string isa = current_environment().isa;
  if (options.on_note && find(kIsa) != isa) {
    options.on_note("trained with " + find(kIsa) + " until now and " + isa +
                    " from here: results differ in rounding from an unbroken training");
  }
}

/// The plan to follow, with what there is to say of it.
Plan plan_in_force(const std::optional<Checkpoint>& checkpoint, const TrainOptions& options) {
  const Plan before = checkpoint ? plan_of(*checkpoint) : Plan();
  const Plan plan = options.plan ? *options.plan : before;
  if (!options.on_note) return plan;
  if (checkpoint && plan != before) {
    options.on_note("trained by another plan until now: results differ in rounding from an unbroken training");
  }
  if (const std::string note = foreign_plan(plan); !note.empty()) options.on_note(note);
  return plan;
}

void count_weights(nn::Module& model, TrainResult& result) {
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    const Tensor& tensor = weight.tensor();
    result.weights += tensor.numel();
    result.alive += tensor.is_masked() ? tensor.weight_state().alive().count() : tensor.numel();
  }
}

Json json_of(const Evaluation& evaluation) {
  return {{"accuracy", evaluation.accuracy}, {"loss", evaluation.loss}, {"images", evaluation.count}};
}

void write_metrics(const std::filesystem::path& file, const Recipe& recipe, const TrainResult& result, const Plan& plan,
                   const sparsity::MaskController* controller) {
  const FitResult& fitted = result.fitted;
  const Environment environment = current_environment();
  Json json = {{"name", recipe.name},
               {"steps", fitted.steps},
               {"test", json_of(*result.test)},
               {"validation", json_of(*result.validation)},
               {"train_loss", fitted.records.empty() ? 0.0 : fitted.records.back().loss},
               {"weights", result.weights},
               {"alive", result.alive},
               {"flops", {{"dense", fitted.flops.total_dense()}, {"effective", fitted.flops.total_effective()}}},
               {"seconds", fitted.seconds},
               {"cpu_seconds", fitted.cpu_seconds},
               {"peak_bytes", fitted.peak_bytes}};
  if (controller) {
    json["updates"] = controller->records().size();
    json["survival"] = controller->survival(1);
  }
  json["plan"] = plan.to_string();
  json["kernels"] = Json::object();
  for (const auto& [problem, kernel] : result.kernels.entries()) json["kernels"][problem] = kernel;
  json["environment"] = {
      {"version", environment.version},      {"commit", environment.commit}, {"dirty", environment.dirty},
      {"compiler", environment.compiler},    {"cpu", environment.cpu},       {"isa", environment.isa},
      {"processors", environment.processors}};
  save_text(file, json.dump(2) + '\n');
}

}  // namespace

TrainingSetup set_up(const Recipe& recipe, const RecipeData& data) {
  TrainingSetup setup;
  setup.model = build_model(recipe);
  if (!recipe.model.weights.empty()) {
    const nn::StateDict state = nn::read_state_dict(recipe.model.weights);
    const nn::LoadReport report = nn::load_matching(*setup.model, nn::without_prefix(*setup.model, state));
    std::ostringstream note;
    note << recipe.model.weights << ": " << report;
    setup.note = note.str();
    COPPICE_CHECK(!report.loaded.empty(), "[train] model.weights expects weights of ", recipe.model.name, "; got ",
                  setup.note);
  }
  COPPICE_CHECK(!recipe.sparse || recipe.model.freeze.empty(),
                "[train] model.freeze expects no [policy], which would change the masks of what is frozen; got both");
  for (const std::string& name : recipe.model.freeze) nn::freeze(*setup.model, name);
  if (recipe.sparse) sparsity::make_sparse(*setup.model, recipe.policy, recipe.training.seed);
  setup.optimizer = build_optimizer(recipe.training, *setup.model);
  setup.loader = std::make_unique<DataLoader>(data.train, data.split.train,
                                              LoaderOptions{.batch_size = recipe.training.batch_size,
                                                            .workers = recipe.training.workers,
                                                            .seed = recipe.training.seed,
                                                            .normalisation = data.normalisation});
  setup.steps = training_steps(recipe.training, setup.loader->batches());
  if (recipe.sparse) {
    setup.controller = std::make_unique<sparsity::MaskController>(
        *setup.model, recipe.policy, sparsity::Plan{.total_steps = setup.steps, .seed = recipe.training.seed});
  }
  return setup;
}

TrainResult train(const Recipe& asked, const std::filesystem::path& directory, const TrainOptions& options) {
  validate(asked);
  const std::filesystem::path checkpoints = directory / "checkpoints";
  const std::optional<Checkpoint> checkpoint = find_checkpoint(checkpoints, options);
  const RecipeData data = load_data(asked);
  Recipe recipe = asked;
  complete(recipe, data);
  if (checkpoint) {
    check_same_recipe(*checkpoint, recipe);
    check_data(*checkpoint, data, options);
  }

  const IntrusivePtr<Allocator> allocator = make_caching_allocator();
  const AllocatorScope counted(allocator);
  const TrainingSetup setup = set_up(recipe, data);
  if (options.on_note && !setup.note.empty()) options.on_note(setup.note);
  if (checkpoint) restore(*checkpoint, setup.trainee());
  const FitResult before = checkpoint ? checkpoint->progress : FitResult{};
  const Plan plan = plan_in_force(checkpoint, options);
  const PlanScope scope(plan);
  std::filesystem::create_directories(directory);
  write_recipe(directory / "recipe.resolved.toml", recipe);
  TrainingLog log(directory, before.records);

  TrainResult result;
  std::map<std::string, std::string> metadata = {
      {kRecipe, to_toml(recipe)}, {kData, data.digest}, {kIsa, current_environment().isa}};
  if (plan != Plan()) metadata[kPlan] = plan.to_string();
  const auto set_kernels = [&](const Plan& kernels) {
    result.kernels = kernels;
    metadata[kKernels] = kernels.to_string();
  };
  // Kernels stay those of the first step, so that a checkpoint does not depend on where training paused.
  const bool has_kernels = checkpoint && checkpoint->metadata.contains(kKernels) && plan_of(*checkpoint) == plan;
  if (has_kernels) set_kernels(Plan::parse(text_of(*checkpoint, kKernels), checkpoint->file.string()));
  FitOptions fit_options{.steps = setup.steps,
                         .lr_factor = build_schedule(recipe.training, setup.steps),
                         .record_every = recipe.training.record_every,
                         .on_step = options.on_step,
                         .stop = options.stop,
                         .checkpoint_every = recipe.checkpoint.every,
                         .resume = &before};
  fit_options.validate = [&] {
    return evaluate(*setup.model, data.validation, data.split.validation, data.normalisation);
  };
  fit_options.on_record = [&](const EpochRecord& record) {
    log.add(record);
    if (options.on_record) options.on_record(record);
  };
  if (!has_kernels) fit_options.on_kernels = set_kernels;
  fit_options.on_checkpoint = [&](const FitResult& so_far) {
    result.checkpoint = save_checkpoint(checkpoints, setup.trainee(), so_far, metadata, recipe.checkpoint.keep);
  };
  if (options.on_start) options.on_start(before.steps, setup.steps);
  result.fitted = fit(*setup.model, *setup.optimizer, *setup.loader, setup.controller.get(), fit_options);
  if (result.checkpoint.empty() && checkpoint) result.checkpoint = checkpoint->file;

  count_weights(*setup.model, result);
  if (!result.fitted.stopped) {
    result.validation = fit_options.validate();
    result.test = evaluate(*setup.model, data.test, data.test_positions, data.normalisation);
    if (const std::string note = unmet_problems(scope); options.on_note && !note.empty()) options.on_note(note);
    write_metrics(directory / "metrics.json", recipe, result, plan, setup.controller.get());
  }
  return result;
}

Plan plan_of(const Checkpoint& checkpoint) {
  Plan plan = Plan::parse(text_of(checkpoint, kPlan), checkpoint.file.string());
  plan.check();
  return plan;
}

Recipe recipe_of(const Checkpoint& checkpoint) {
  const auto text = checkpoint.metadata.find(kRecipe);
  COPPICE_CHECK(text != checkpoint.metadata.end(), "[checkpoint] ", checkpoint.file.string(),
                ": expects the recipe it was trained by; got none");
  return parse_recipe(text->second, checkpoint.file.string());
}

}  // namespace coppice::train
