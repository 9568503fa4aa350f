#include <coppice/sparsity/controller.h>

#include <algorithm>
#include <cmath>
#include <numeric>
#include <optional>
#include <utility>

#include <coppice/core/error.h>
#include <coppice/core/generator.h>
#include <coppice/models/nn/module.h>
#include <coppice/models/nn/prunable.h>
#include <coppice/ops/optim/optimizer.h>
#include <coppice/sparsity/controller_impl.h>

namespace coppice::sparsity {

using detail::ControlledLayer;

namespace {

/// Intersections and unions summed over layers, for an IoU of the whole network.
struct IouSum {
  std::int64_t intersection = 0;
  std::int64_t both = 0;

  double add(const Mask& a, const Mask& b) {
    const std::int64_t common = Mask::intersection_count(a, b);
    intersection += common;
    both += a.count() + b.count() - common;
    return Mask::iou(a, b);
  }
  double value() const { return both == 0 ? 1.0 : static_cast<double>(intersection) / static_cast<double>(both); }
};

double share(std::int64_t part, std::int64_t whole) {
  return whole == 0 ? 0.0 : static_cast<double>(part) / static_cast<double>(whole);
}

std::int64_t rounded(double count, Rounding rounding) {
  if (rounding == Rounding::Ceil) return static_cast<std::int64_t>(std::ceil(count));
  if (rounding == Rounding::Nearest) return static_cast<std::int64_t>(std::llround(count));
  return static_cast<std::int64_t>(std::floor(count));
}

WakeValue wake_value(Start start) { return start == Start::Zero ? WakeValue::Zero : WakeValue::Dormant; }

/// What becomes of the value of a weight that is dropped.
Dormant on_drop(Start start) { return start == Start::Zero ? Dormant::Drop : Dormant::Keep; }

/// What becomes of the value a weight was explored to when it is not grown.
Dormant on_sleep(Start start) {
  if (start == Start::Zero) return Dormant::Drop;
  return start == Start::LastActive ? Dormant::Restore : Dormant::Keep;
}

/// No weight decay while it lives.
class NoDecay {
 public:
  explicit NoDecay(optim::Optimizer& optimizer) : optimizer_(optimizer) {
    for (optim::ParamGroup& group : optimizer.groups()) {
      previous_.push_back(group.weight_decay);
      group.weight_decay = 0.0;
    }
  }
  ~NoDecay() {
    for (std::size_t g = 0; g < previous_.size(); ++g) optimizer_.groups()[g].weight_decay = previous_[g];
  }
  NoDecay(const NoDecay&) = delete;
  NoDecay& operator=(const NoDecay&) = delete;

 private:
  optim::Optimizer& optimizer_;
  std::vector<std::optional<double>> previous_;
};

}  // namespace

Scores MaskController::Impl::score(const ControlledLayer& layer, const Criterion& criterion, const Mask& candidates,
                                   Take take, const CycleStep& step) const {
  const Tensor gradient = criterion.needs_dense_gradient ? layer.weight.grad() : Tensor();
  const Scores scores{criterion.score({.name = layer.name,
                                       .state = layer.state(),
                                       .candidates = candidates,
                                       .gradient = gradient,
                                       .seed = plan.seed,
                                       .update = step.update}),
                      candidates, layer.name};
  const Pattern pattern = layer.state().pattern();
  if (pattern.kind != Pattern::Kind::Nm) return layer.units().scores(scores, criterion);
  const std::int64_t m = pattern.second;
  const SelectOptions options{.take = take, .absolute = criterion.absolute};
  if (take == Take::Largest) return detail::within_groups(scores, m, pattern.first, layer.after_prune, options);
  // Where dropped weights may not return, a group can drop as many as it has others to grow.
  return policy.regrow_just_dropped ? scores : detail::within_groups(scores, m, m, layer.before, options);
}

std::vector<Mask> MaskController::Impl::choose(const Criterion& criterion, const std::vector<Mask>& candidates,
                                               const std::vector<std::int64_t>& counts, Take take,
                                               const CycleStep& step) const {
  const auto lottery = [&](const std::string& name) {
    return Generator::keyed(plan.seed, name + (take == Take::Largest ? "/grow" : "/drop"),
                            static_cast<std::uint64_t>(step.update));
  };
  const bool random_ties = policy.tie_break == TieBreak::Random;
  const auto options = [&](Generator& ties) {
    return SelectOptions{.take = take, .absolute = criterion.absolute, .tie_break = random_ties ? &ties : nullptr};
  };
  std::vector<Mask> chosen;
  if (policy.ranking == Ranking::Global) {
    check_same_blocks();
    std::vector<Scores> all;
    for (std::size_t l = 0; l < layers.size(); ++l) {
      all.push_back(score(layers[l], criterion, candidates[l], take, step));
    }
    Generator ties = lottery("");
    chosen = select_global(all, std::reduce(counts.begin(), counts.end()), options(ties));
  } else {
    for (std::size_t l = 0; l < layers.size(); ++l) {
      Generator ties = lottery(layers[l].name);
      chosen.push_back(select(score(layers[l], criterion, candidates[l], take, step), counts[l], options(ties)));
    }
  }
  for (std::size_t l = 0; l < layers.size(); ++l) chosen[l] = layers[l].units().weights(chosen[l]);
  return chosen;
}

void MaskController::Impl::check_same_blocks() const {
  for (const ControlledLayer& layer : layers) {
    const Pattern first = layers.front().state().pattern();
    const Pattern pattern = layer.state().pattern();
    COPPICE_CHECK(pattern.block_rows() == first.block_rows() && pattern.block_columns() == first.block_columns(),
                  "[MaskController] ranking=global expects weights that all have the same blocks; got ", first, " for ",
                  layers.front().name, " and ", pattern, " for ", layer.name);
  }
}

void MaskController::Impl::wake() {
  for (ControlledLayer& layer : layers) {
    layer.state().wake(~layer.state().alive(), wake_value(policy.start), policy.freeze_alive);
  }
  freeze();
}

void MaskController::Impl::freeze() {
  std::vector<Tensor> dense_weights;
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    if (!weight.tensor().is_masked()) dense_weights.push_back(weight.tensor());
  }
  for (const Tensor& parameter : model.parameters()) {
    if (parameter.is_masked() || !parameter.requires_grad()) continue;
    const bool weight = std::ranges::any_of(dense_weights, [&](const Tensor& w) { return w.is_same(parameter); });
    if (weight ? policy.freeze_alive : policy.freeze_others) frozen.push_back(parameter);
  }
  for (Tensor& parameter : frozen) {
    parameter.requires_grad_(false);
    parameter.set_grad({});
  }
  exploring = true;
  if (policy.norm == ExplorationNorm::BatchUpdate) return;
  const bool batch = policy.norm == ExplorationNorm::BatchHold;
  norm_guard.emplace(model, nn::BatchNorm2d::Mode{batch ? BatchNormStatistics::Batch : BatchNormStatistics::Running,
                                                  BatchNormRunning::Hold});
}

void MaskController::Impl::thaw() {
  for (Tensor& parameter : frozen) parameter.requires_grad_(true);
  frozen.clear();
  norm_guard.reset();
  exploring = false;
}

std::int64_t MaskController::Impl::droppable(const ControlledLayer& layer) const {
  const detail::Units units = layer.units();
  const std::int64_t alive = units.of(layer.before).count();
  if (policy.regrow_just_dropped) return alive;
  // Where dropped weights may not return, no more can be dropped than there are others to grow.
  const Pattern pattern = layer.state().pattern();
  if (pattern.kind != Pattern::Kind::Nm) return std::min(alive, units.shape().numel() - alive);
  std::vector<std::int64_t> in_group(static_cast<std::size_t>(layer.before.numel() / pattern.second));
  layer.before.for_each(
      [&](std::int64_t position, std::int64_t) { ++in_group[static_cast<std::size_t>(position / pattern.second)]; });
  std::int64_t droppable = 0;
  for (const std::int64_t count : in_group) droppable += std::min(count, pattern.second - count);
  return droppable;
}

void MaskController::Impl::drop(const CycleStep& step, std::int64_t at) {
  fraction = policy.fraction.at(at, plan.total_steps);
  std::vector<Mask> candidates;
  std::vector<std::int64_t> counts;
  for (ControlledLayer& layer : layers) {
    layer.before = layer.state().alive();
    const std::int64_t alive = layer.units().of(layer.before).count();
    counts.push_back(std::min(rounded(fraction * static_cast<double>(alive), policy.rounding), droppable(layer)));
    candidates.push_back(layer.before);
  }
  const std::vector<Mask> chosen = choose(policy.drop, candidates, counts, Take::Smallest, step);
  for (std::size_t l = 0; l < layers.size(); ++l) {
    layers[l].dropped = chosen[l];
    layers[l].after_prune = layers[l].before - chosen[l];
    if (!step.grow) layers[l].state().prune(chosen[l], on_drop(policy.start));
  }
}

void MaskController::Impl::apply(ControlledLayer& layer, const Mask& grown, const CycleStep& step) {
  WeightState& state = layer.state();
  if (!step.drop) {
    state.grow(grown, policy.grown_value, policy.newborn_state);
    state.sleep(on_sleep(policy.start));
    return;
  }
  const Mask returned = policy.regrown_keeps_state ? grown & layer.dropped : Mask::none(state.shape());
  state.prune(layer.dropped - returned, on_drop(policy.start));
  state.grow(grown - returned, policy.grown_value, policy.newborn_state);
}

void MaskController::Impl::grow(const CycleStep& step, std::int64_t at) {
  std::vector<Mask> candidates;
  std::vector<std::int64_t> counts;
  for (const ControlledLayer& layer : layers) {
    // Everything outside the mask that the drop left, whether awake now or not.
    candidates.push_back(policy.regrow_just_dropped ? ~layer.after_prune : ~layer.before);
    counts.push_back(layer.units().of(layer.dropped).count());
  }
  const std::vector<Mask> chosen = choose(policy.grow, candidates, counts, Take::Largest, step);
  for (std::size_t l = 0; l < layers.size(); ++l) apply(layers[l], chosen[l], step);
  record(step, at, chosen);
}

void MaskController::Impl::record(const CycleStep& step, std::int64_t at, const std::vector<Mask>& grown) {
  UpdateRecord update;
  update.update = step.update;
  update.step = at;
  update.fraction = fraction;
  IouSum prune_iou;
  IouSum grow_iou;
  std::int64_t ever_alive = dense_numel;
  for (std::size_t l = 0; l < layers.size(); ++l) {
    ControlledLayer& layer = layers[l];
    const Mask& after = layer.state().alive();
    layer.history.add(layer.before, after);
    ever_alive += layer.history.ever_alive().count();
    update.layers.push_back({.name = layer.name,
                             .numel = after.numel(),
                             .alive_before = layer.before.count(),
                             .dropped = layer.dropped.count(),
                             .grown = grown[l].count(),
                             .regrown = Mask::intersection_count(grown[l], layer.dropped),
                             .alive_after = after.count(),
                             .iou_after_prune = prune_iou.add(layer.before, layer.after_prune),
                             .iou_after_grow = grow_iou.add(layer.before, after),
                             .ever_alive = layer.history.ever_alive().density()});
    layer.before = layer.dropped = layer.after_prune = Mask();
  }
  update.iou_after_prune = prune_iou.value();
  update.iou_after_grow = grow_iou.value();
  update.ever_alive = share(ever_alive, prunable_numel);
  records.push_back(std::move(update));
}

MaskController::MaskController(nn::Module& model, MaskPolicy policy, Plan plan)
    : impl_(std::make_unique<Impl>(model, std::move(policy), plan)) {
  impl_->policy.validate();
  COPPICE_CHECK(plan.total_steps > 0, "[MaskController] expects a plan of at least one step; got ", plan.total_steps);
  for (const nn::PrunableWeight& weight : nn::prunable(model)) {
    impl_->prunable_numel += weight.tensor().numel();
    if (weight.tensor().is_masked()) {
      COPPICE_CHECK(
          !impl_->policy.updates() || weight.tensor().weight_state().pattern().kind != Pattern::Kind::Channels,
          "[MaskController] expects weights of a pattern that it can keep; got channels for ", weight.name,
          "; set_pattern({}) of its weight_state() gives it up");
      impl_->layers.push_back(
          {weight.name, weight.tensor(), detail::MaskHistory(weight.tensor().weight_state().alive()), {}, {}, {}});
    } else {
      impl_->dense_numel += weight.tensor().numel();
    }
  }
}

MaskController::~MaskController() { impl_->thaw(); }

StepDecision MaskController::decide(std::int64_t step) const {
  const CycleStep cycle = impl_->cycle(step);
  return {cycle.phase, cycle.phase == Phase::Exploration, cycle.optimizer_step};
}

StepDecision MaskController::begin_step(std::int64_t step) {
  COPPICE_CHECK(!impl_->begun, "[MaskController] begin_step expects end_step of iteration ", impl_->begun.value_or(0),
                " first; got ", step);
  const CycleStep cycle = impl_->cycle(step);
  if (cycle.wake) impl_->wake();
  if (cycle.dense_gradient) {
    for (const ControlledLayer& layer : impl_->layers) layer.state().set_gradient_kind(GradientKind::Dense);
  }
  impl_->begun = step;
  return decide(step);
}

void MaskController::end_step(std::int64_t step, optim::Optimizer& optimizer) {
  COPPICE_CHECK(impl_->begun == step, "[MaskController] end_step expects begin_step of the same iteration; got ", step);
  impl_->begun.reset();
  const CycleStep cycle = impl_->cycle(step);
  if (cycle.optimizer_step) {
    std::optional<NoDecay> no_decay;
    if (cycle.phase == Phase::Exploration && !impl_->policy.decay_woken) no_decay.emplace(optimizer);
    optimizer.step();
  }
  if (cycle.drop) impl_->drop(cycle, step);
  if (cycle.grow) impl_->grow(cycle, step);
  if (cycle.grow && impl_->policy.exploration_steps > 0) impl_->thaw();
  if (cycle.drop || cycle.grow || cycle.dense_gradient) {
    // Gradients made before the masks changed fit them no longer.
    for (ControlledLayer& layer : impl_->layers) {
      layer.weight.set_grad({});
      layer.state().set_gradient_kind(GradientKind::Trainable);
    }
  }
}

const MaskPolicy& MaskController::policy() const { return impl_->policy; }

const std::vector<UpdateRecord>& MaskController::records() const { return impl_->records; }

double MaskController::survival(std::int64_t lag) const {
  COPPICE_CHECK(lag >= 0, "[MaskController] survival expects a lag of 0 or more updates; got ", lag);
  std::int64_t born = 0;
  std::int64_t alive = 0;
  for (const ControlledLayer& layer : impl_->layers) {
    for (const std::vector<std::int64_t>& cohort : layer.history.survivors()) {
      if (static_cast<std::int64_t>(cohort.size()) <= lag) continue;
      born += cohort.front();
      alive += cohort[static_cast<std::size_t>(lag)];
    }
  }
  return share(alive, born);
}

double MaskController::density() const {
  std::int64_t alive = impl_->dense_numel;
  for (const ControlledLayer& layer : impl_->layers) alive += layer.state().alive().count();
  return share(alive, impl_->prunable_numel);
}

}  // namespace coppice::sparsity
