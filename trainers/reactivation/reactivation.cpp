#include <coppice/trainers/reactivation/reactivation.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <cmath>
#include <mutex>
#include <optional>

#include <coppice/core/parallel.h>
#include <coppice/sparsity/cost.h>
#include <coppice/trainers/data/digits.h>
#include <coppice/trainers/data/mnist.h>
#include <coppice/trainers/job_queue.h>
#include <coppice/trainers/reactivation/kept_runs.h>
#include <coppice/trainers/reactivation/run.h>
#include <coppice/trainers/reactivation/settings.h>

namespace coppice::train::reactivation {
namespace {

constexpr const char* kStretched = "rigl";  // what rows of equal cost train longer
constexpr const char* kMatched = "iee";     // what they cost as much as
constexpr double kStepOverhead = 0.12;  // of a dense step: what does not shrink with the weights. For progress only.

struct Item {
  RunPlan plan{};
  std::size_t seed = 0;  ///< position among the seeds
  double cost = 0.0;     ///< estimated, in dense steps
  std::optional<RunResult> result{};
};

Training resolve(const Options& options) {
  Training training = options.training ? *options.training : reactivation::training(options.scale);
  if (options.seeds > 0) training.seeds = options.seeds;
  if (!options.sparsities.empty()) training.sparsities = options.sparsities;
  for (const double sparsity : training.sparsities) {
    COPPICE_CHECK(sparsity > 0.0 && sparsity < 1.0, "[reactivation] expects sparsities in (0, 1); got ", sparsity);
  }
  return training;
}

TrainTest load(const Training& training, const Options& options) {
  if (training.dataset == "mnist") {
    COPPICE_CHECK(!options.data.empty(),
                  "[reactivation] trains on MNIST at this scale; name the directory of its four idx files with --data "
                  "DIR or COPPICE_DATA");
    return mnist(options.data);
  }
  return {.train = digits(training.train_images), .test = digits(training.test_images, {}, Part::Test)};
}

/// The rows asked for in the order of the table; a stretched one brings what it is derived from. Added rows are asked
/// for by being added.
std::vector<Method> chosen_methods(const Options& options) {
  std::vector<std::string> names = options.methods;
  for (const std::string& name : options.methods) {
    if (is_stretched(method(name).kind)) names.insert(names.end(), {kStretched, kMatched});
  }
  std::vector<Method> chosen;
  for (const Method& row : methods()) {
    if (names.empty() || std::find(names.begin(), names.end(), row.name) != names.end()) chosen.push_back(row);
  }
  chosen.insert(chosen.end(), options.added.begin(), options.added.end());
  return chosen;
}

/// Training FLOPs of a policy's mean step over those of a dense step.
double flops_ratio(const Training& training, const sparsity::MaskPolicy& policy, std::int64_t steps) {
  std::vector<sparsity::LayerShape> layers;
  std::vector<double> dense;
  for (std::size_t l = 0; l + 1 < training.widths.size(); ++l) {
    layers.push_back({std::to_string(l), Shape{training.widths[l + 1], training.widths[l]}});
    dense.push_back(2.0 * static_cast<double>(training.widths[l] * training.widths[l + 1]));
  }
  const std::vector<double> densities =
      sparsity::layer_densities(policy.distribution, layers, policy.density).densities;
  const sparsity::ForwardFlops flops = sparsity::forward_flops(dense, densities);
  return sparsity::mean_step_flops(policy, flops, steps) / sparsity::dense_step_flops(flops);
}

class Reproduction {
 public:
  explicit Reproduction(const Options& options)
      : options_(options),
        training_(resolve(options)),
        data_(load(training_, options)),
        jobs_(options.jobs > 0 ? options.jobs : num_threads()),
        digests_{digest(data_.train), digest(data_.test)},
        kept_(options.runs, training_, digests_[0] + digests_[1] + '\n' + options.plan.to_string()) {
    check_settings(options);
    check_training();
    const std::int64_t in_split = data_.train.size() - training_.validation_images;
    COPPICE_CHECK(options.steps == 0 || options.epochs == 0, "[reactivation] expects steps or epochs, not both");
    if (options.steps > 0) training_.steps = options.steps;
    if (options.epochs > 0) training_.steps = options.epochs * (in_split / training_.batch_size);
    for (int s = 0; s < training_.seeds; ++s) {
      SeedData seed{.seed = options.first_seed + static_cast<std::uint64_t>(s)};
      seed.split = split(data_.train.size(), training_.validation_images, seed.seed);
      seed.normalisation = measure_normalisation(data_.train, seed.split.train);
      seeds_.push_back(std::move(seed));
    }
    dense_flops_ = dense_step_flops(training_) * static_cast<double>(training_.steps);
    plan_items();
  }

  Results operator()() {
    const auto start = std::chrono::steady_clock::now();
    for (Item& item : items_) {
      if (!is_stretched(item.plan.method.kind)) queue_.add(priority(item), [this, &item] { train(item); });
    }
    queue_.run(jobs_, options_.stop);
    Results results = describe();
    results.wall_seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    for (Item& item : items_) {
      if (item.result) results.runs.push_back(std::move(*item.result));
    }
    results.interrupted = results.runs.size() < items_.size();
    results.orderings = compare(results.runs);
    return results;
  }

 private:
  void check_training() const {
    const std::vector<std::int64_t>& widths = training_.widths;
    const std::int64_t pixels = data_.train.height() * data_.train.width();
    COPPICE_CHECK(widths.size() >= 2 && widths.front() == pixels && widths.back() == data_.train.classes,
                  "[reactivation] expects widths from ", pixels, ", the pixels, to ", data_.train.classes,
                  ", the classes; got ", training_.network());
    const std::vector<Method> rows = chosen_methods(options_);
    const bool narrows =
        std::any_of(rows.begin(), rows.end(), [](const Method& row) { return row.kind == Kind::SmallDense; });
    COPPICE_CHECK(!narrows || widths.size() == 4, "[reactivation] small_dense expects two hidden layers; got ",
                  training_.network(), "; leave the row out with methods");
    COPPICE_CHECK(training_.validation_images + training_.batch_size <= data_.train.size(),
                  "[reactivation] expects training images for at least one batch; got ", data_.train.size(),
                  " images, ", training_.validation_images, " of them for validation, and batches of ",
                  training_.batch_size);
  }

  void plan_items() {
    for (const Method& row : chosen_methods(options_)) {
      const bool once = row.kind == Kind::Dense;
      for (const double sparsity : once ? std::vector<double>{0.0} : training_.sparsities) {
        Item item{.plan = {.method = row, .sparsity = sparsity, .steps = training_.steps}};
        double ratio = 1.0;
        if (!once) {
          item.plan.policy = row.has_policy() ? row_policy(row, options_, 1.0 - sparsity, training_.steps)
                                              : policy(method("static"), 1.0 - sparsity, training_.steps);
          ratio = flops_ratio(training_, item.plan.policy, training_.steps);
        }
        item.cost = static_cast<double>(item.plan.steps) * (kStepOverhead + ratio);
        for (std::size_t s = 0; s < seeds_.size(); ++s) {
          item.seed = s;
          item.plan.keep_picture = s == 0;
          items_.push_back(item);
        }
      }
    }
    for (Item& item : items_) {
      if (item.plan.method.kind == Kind::EqualFlops) {
        const Item* matched = find(kMatched, item);
        const double stretch = flops_ratio(training_, matched->plan.policy, training_.steps) /
                               flops_ratio(training_, item.plan.policy, training_.steps);
        item.cost *= stretch;
      } else if (item.plan.method.kind == Kind::EqualSeconds) {
        item.cost = find(kMatched, item)->cost;
      }
      total_cost_ += item.cost;
    }
  }

  Item* find(const std::string& name, const Item& like) {
    const auto found = std::find_if(items_.begin(), items_.end(), [&](const Item& item) {
      return item.plan.method.name == name && item.plan.sparsity == like.plan.sparsity && item.seed == like.seed;
    });
    return found == items_.end() ? nullptr : &*found;
  }

  /// The rows of equal cost of this item's seed and sparsity.
  std::vector<Item*> find_stretched(const Item& like) {
    std::vector<Item*> found;
    for (Item& item : items_) {
      if (is_stretched(item.plan.method.kind) && item.plan.sparsity == like.plan.sparsity && item.seed == like.seed) {
        found.push_back(&item);
      }
    }
    return found;
  }

  static bool is_source(const Item& item) {
    return item.plan.method.name == kStretched || item.plan.method.name == kMatched;
  }

  /// What another run waits for goes before all else.
  double priority(const Item& item) {
    return item.cost + (is_source(item) && !find_stretched(item).empty() ? total_cost_ : 0.0);
  }

  void train(Item& item) {
    std::int64_t counted = 0;
    const double step_cost = item.cost / static_cast<double>(item.plan.steps);
    const auto on_step = [&](std::int64_t done) {
      if (done - counted < 50 && done != item.plan.steps) return;
      advance(static_cast<double>(done - counted) * step_cost, nullptr);
      counted = done;
    };
    std::optional<RunResult> kept;
    if (options_.resume) kept = kept_.find(item.plan, seeds_[item.seed].seed);
    const bool trained = !kept;
    if (kept) on_step(item.plan.steps);
    RunResult result = kept
                           ? *std::move(kept)
                           : run(item.plan, training_, data_, seeds_[item.seed], on_step, options_.stop, options_.plan);
    if (result.steps < item.plan.steps) return;
    result.train_flops_ratio = result.flops.total_effective() / dense_flops_;
    if (trained) kept_.keep(item.plan, result);
    advance(0.0, &result);
    const std::lock_guard lock(mutex_);
    item.result = std::move(result);
    if (is_source(item)) release_stretched(item);
  }

  /// What rows of a kind are equal in.
  double spent(Kind kind, const RunResult& run) const {
    if (kind == Kind::EqualFlops) return run.flops.total_effective();
    return options_.seconds_of ? options_.seconds_of(run) : run.cpu_seconds;
  }

  /// Plans the rows of equal cost of this item's seed and sparsity once both runs they are derived from are there.
  void release_stretched(const Item& ended) {
    const Item* source = find(kStretched, ended);
    const Item* matched = find(kMatched, ended);
    if (!source || !matched || !source->result || !matched->result) return;
    for (Item* item : find_stretched(ended)) {
      const Kind kind = item->plan.method.kind;
      const double per_step = spent(kind, *source->result) / static_cast<double>(source->result->steps);
      const auto steps = std::max<std::int64_t>(1, std::llround(spent(kind, *matched->result) / per_step));
      const double step_cost = source->cost / static_cast<double>(source->plan.steps);
      const double cost = step_cost * static_cast<double>(steps);
      total_cost_ += cost - item->cost;
      item->cost = cost;
      item->plan.steps = steps;
      queue_.add(cost, [this, item] { train(*item); });
    }
  }

  void advance(double cost, const RunResult* ended) {
    const std::lock_guard lock(mutex_);
    done_cost_ += cost;
    finished_ += ended ? 1 : 0;
    if (!options_.on_progress) return;
    options_.on_progress({.fraction = std::min(1.0, done_cost_ / total_cost_),
                          .finished = finished_,
                          .planned = static_cast<int>(items_.size()),
                          .run = ended});
  }

  Results describe() const {
    Results results{.paper = "reactivation", .scale = options_.scale, .command = options_.command};
    results.seeds = training_.seeds;
    results.jobs = jobs_;
    results.options = training_.to_pairs();
    results.options.emplace_back("first_seed", std::to_string(options_.first_seed));
    for (const auto& [key, value] : options_.set) results.options.emplace_back("set " + key, value);
    results.recipe = to_toml(options_, training_, chosen_methods(options_));
    results.plan = options_.plan.to_string();
    for (const Method& row : chosen_methods(options_)) results.methods.emplace_back(row.name, row.explanation);
    results.environment = current_environment();
    results.dataset = training_.dataset;
    results.train_images = data_.train.size() - training_.validation_images;
    results.validation_images = training_.validation_images;
    results.test_images = data_.test.size();
    results.image_height = data_.train.height();
    results.image_width = data_.train.width();
    for (const Dataset* part : {&data_.train, &data_.test}) {
      for (const SourceFile& file : part->files) results.checksums.emplace_back(file.name, file.sha256);
    }
    results.checksums.emplace_back("train examples", digests_[0]);
    results.checksums.emplace_back("test examples", digests_[1]);
    return results;
  }

  Options options_;
  Training training_;
  TrainTest data_;
  int jobs_;
  std::array<std::string, 2> digests_;  ///< of the training and the test part
  KeptRuns kept_;
  std::vector<SeedData> seeds_;
  std::vector<Item> items_;
  double dense_flops_ = 0.0;  ///< of a dense training of the usual length
  JobQueue queue_;
  std::mutex mutex_;  // guards what follows, and the results and plans of items
  double total_cost_ = 0.0;
  double done_cost_ = 0.0;
  int finished_ = 0;
};

}  // namespace

Results reproduce(const Options& options) { return Reproduction(options)(); }

std::vector<Ordering> compare(const std::vector<RunResult>& runs) {
  std::vector<double> sparsities;
  std::vector<Claim> pairs = claims();
  for (const RunResult& run : runs) {
    if (run.sparsity > 0.0 && std::find(sparsities.begin(), sparsities.end(), run.sparsity) == sparsities.end()) {
      sparsities.push_back(run.sparsity);
    }
    const auto is_of = [&](const auto& entry) { return entry.name == run.method; };
    const auto is_compared = [&](const Claim& pair) { return pair.better == run.method; };
    if (std::none_of(methods().begin(), methods().end(), is_of) &&
        std::none_of(pairs.begin(), pairs.end(), is_compared)) {
      for (const char* own : {kStretched, kMatched}) pairs.push_back({run.method, own, "vs", ""});
    }
  }
  std::vector<Ordering> orderings;
  for (const Claim& claim : pairs) {
    for (const double sparsity : sparsities) {
      std::vector<double> differences;
      for (const RunResult& better : runs) {
        if (better.method != claim.better || better.sparsity != sparsity) continue;
        for (const RunResult& worse : runs) {
          if (worse.method == claim.worse && worse.sparsity == sparsity && worse.seed == better.seed) {
            differences.push_back(better.accuracy - worse.accuracy);
          }
        }
      }
      if (differences.empty()) continue;
      orderings.push_back({.statement = claim.better + ' ' + claim.relation + ' ' + claim.worse,
                           .published = claim.published,
                           .sparsity = sparsity,
                           .claimed = claim.relation != "vs",
                           .clearly = claim.relation == ">>",
                           .pairs = static_cast<int>(differences.size()),
                           .difference = t_interval(differences)});
    }
  }
  return orderings;
}

}  // namespace coppice::train::reactivation
