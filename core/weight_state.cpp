#include <coppice/core/weight_state.h>

#include <algorithm>
#include <array>
#include <initializer_list>

#include <coppice/core/mask_slots.h>
#include <coppice/core/remap.h>
#include <coppice/core/tensor_impl.h>

namespace coppice {

namespace {

/// f(a), f(b), … where equal sets are treated once and stay one.
template <class F>
std::array<Mask, 3> each_once(const std::array<Mask, 3>& sets, F f) {
  std::array<Mask, 3> results;
  for (std::size_t i = 0; i < sets.size(); ++i) {
    const auto same = std::find(sets.begin(), sets.begin() + i, sets[i]);
    results[i] = same == sets.begin() + i ? f(sets[i]) : results[static_cast<std::size_t>(same - sets.begin())];
  }
  return results;
}

/// One of `others` where it is the same set of the same pattern, so that equal sets are held once; else `mask`.
Mask shared(const Mask& mask, std::initializer_list<Mask> others) {
  const Mask* const same = std::ranges::find_if(
      others, [&](const Mask& other) { return other.pattern() == mask.pattern() && other == mask; });
  return same == others.end() ? mask : *same;
}

/// What is alive for good.
Mask settled(const Mask& alive, const Mask& awake) { return awake.defined() ? alive - awake : alive; }

Mask or_undefined_if_empty(const Mask& mask) { return mask.defined() && mask.count() > 0 ? mask : Mask(); }

/// What the values are packed over: see kDenseStorage.
Mask storage_of(const Mask& alive) {
  if (alive.density() <= WeightState::kDenseStorage || alive.count() == alive.numel()) return alive;
  return Mask::all(alive.shape());
}

/// Writes elements packed over `from` ⊆ `to` into a vector packed over `to`.
void overwrite(const Tensor& destination, const Mask& to, const Tensor& source, const Mask& from) {
  dispatch_dtype(destination.dtype(), "WeightState", [&]<class T>() {
    T* const out = destination.data<T>();
    const T* const in = source.data<T>();
    detail::for_each_slot(from, to, [=](std::int64_t slot, std::int64_t outer) { out[outer] = in[slot]; });
  });
}

/// Zeroes the elements of a vector packed over `to` at the set positions of `at` ⊆ `to`.
void clear(const Tensor& destination, const Mask& to, const Mask& at) {
  dispatch_dtype(destination.dtype(), "WeightState", [&]<class T>() {
    T* const out = destination.data<T>();
    detail::for_each_slot(at, to, [=](std::int64_t, std::int64_t outer) { out[outer] = T{}; });
  });
}

void check_values(const Tensor& values, const Mask& at, DType dtype, const char* what) {
  COPPICE_CHECK(values.defined() && values.dim() == 1 && values.numel() == at.count() && values.dtype() == dtype,
                "[WeightState] restore expects ", at.count(), " ", what, " of ", dtype, "; got ",
                values.defined() ? values.shape() : Shape{0}, values.defined() ? "" : " (undefined)");
}

}  // namespace

KernelStructure::~KernelStructure() = default;

WeightState::WeightState(const Tensor& dense, const Mask& alive)
    : stored_(storage_of(alive)), alive_(alive), trainable_(alive), stateful_(alive), pattern_(alive.pattern()) {
  COPPICE_CHECK(dense.dtype() == kFloat32 || dense.dtype() == kFloat64,
                "[WeightState] expects float32 or float64 values; got ", dense.dtype(), " ", dense.shape());
  const Tensor packed = gather(dense, alive_);
  values_ = stored_ == alive_ ? packed : remap(packed, alive_, stored_);
}

WeightState::~WeightState() = default;

Mask WeightState::awake() const { return awake_.defined() ? awake_ : Mask::none(shape()); }

Mask WeightState::dormant() const { return dormant_.defined() ? dormant_ : Mask::none(shape()); }

Tensor WeightState::dormant_values() const {
  return dormant_values_.defined() ? dormant_values_ : Tensor::empty({0}, {.dtype = dtype()});
}

Tensor& WeightState::state(const std::string& name) {
  Tensor& vector = states_[name];
  if (!vector.defined()) vector = Tensor::zeros({stateful_.count()}, {.dtype = dtype()});
  return vector;
}

void WeightState::assign(const Tensor& dense) {
  COPPICE_CHECK(dense.dtype() == dtype(), "[WeightState] assign expects ", dtype(), "; got ", dense.dtype(), " ",
                dense.shape());
  overwrite(values_, stored_, gather(dense, alive_), alive_);
  ++value_version_;
}

void WeightState::check_within(const Mask& weights, const Mask& allowed, const char* transition,
                               const char* expectation) const {
  COPPICE_CHECK(weights.defined() && weights.shape() == shape(), "[WeightState] ", transition, " expects a mask of ",
                shape(), "; got ", weights);
  const std::int64_t within = Mask::intersection_count(weights, allowed);
  COPPICE_CHECK(within == weights.count(), "[WeightState] ", transition, " expects ", expectation, "; got ",
                weights.count() - within, " others among ", weights.count(), " of ", shape());
}

void WeightState::move_to(const Mask& alive, const Mask& trainable, const Mask& stateful, const Mask& awake) {
  if (!settled(alive, awake).keeps(pattern_)) pattern_ = Pattern();
  const Mask next_alive = shared(conforming(alive), {alive_});
  const Mask next_stateful = shared(conforming(stateful), {next_alive, stateful_});
  const Mask next_stored = shared(storage_of(next_alive), {stored_});
  if (!(next_stored == next_alive)) {  // else the dead are left behind
    if (const Mask dead = alive_ - next_alive; dead.count() > 0) clear(values_, stored_, dead);
  }
  const bool together = stored_ == stateful_ && next_stored == next_stateful;
  if (!together && !(next_stored == stored_)) values_ = remap(values_, stored_, next_stored);
  if (!(next_stateful == stateful_)) {
    std::vector<Tensor> vectors;
    for (const auto& [name, vector] : states_) vectors.push_back(vector);
    if (together) vectors.push_back(values_);
    vectors = detail::remap_all(vectors, stateful_, next_stateful);
    if (together) values_ = vectors.back();
    std::size_t v = 0;
    for (auto& [name, vector] : states_) vector = vectors[v++];
  }
  trainable_ = shared(conforming(trainable), {next_alive, next_stateful, trainable_});
  awake_ = awake.defined() ? or_undefined_if_empty(conforming(awake)) : Mask();
  if (awake_.defined()) awake_ = shared(awake_, {trainable_, next_alive});
  alive_ = next_alive;
  stateful_ = next_stateful;
  stored_ = next_stored;
  ++mask_version_;
  ++value_version_;
  const std::lock_guard lock(structure_mutex_);
  structures_.clear();  // they belong to the masks before, and after an exploration to all weights
}

Mask WeightState::conforming(const Mask& mask) const {
  return mask.with_pattern(mask.keeps(pattern_) ? pattern_ : Pattern());
}

void WeightState::set_pattern(Pattern pattern) {
  pattern_ = settled(alive_, awake_).with_pattern(pattern).pattern();
  move_to(alive_, trainable_, stateful_, awake_);
}

void WeightState::set_dormant(const Mask& dormant) {
  if (dormant.count() == 0) {
    dormant_ = Mask();
    dormant_values_ = Tensor();
    return;
  }
  dormant_values_ = remap(dormant_values(), this->dormant(), dormant);
  dormant_ = dormant;
}

void WeightState::retire(const Mask& weights, Dormant dormant) {
  switch (dormant) {
    case Dormant::Drop:
      if (dormant_.defined()) set_dormant(dormant_ - weights);
      return;
    case Dormant::Keep:
      set_dormant(this->dormant() | weights);
      if (weights.count() > 0) overwrite(dormant_values_, dormant_, remap(values_, stored_, weights), weights);
      return;
    case Dormant::Restore: return;  // what a woken weight held before waking is still there
  }
}

void WeightState::prune(const Mask& drop, Dormant dormant) {
  check_within(drop, alive_, "prune", "weights that are alive");
  retire(drop, dormant);
  const auto [alive, trainable, stateful] =
      each_once({alive_, trainable_, stateful_}, [&](const Mask& set) { return set - drop; });
  move_to(alive, trainable, stateful, awake_.defined() ? awake_ - drop : Mask());
}

void WeightState::wake(const Mask& explore, WakeValue start, bool freeze_alive, const Tensor& init) {
  check_within(explore, ~alive_, "wake", "weights that are not alive");
  COPPICE_CHECK(init.defined() == (start == WakeValue::Init),
                "[WeightState] wake expects an init tensor exactly when the start value is Init");
  Tensor starts;
  if (start == WakeValue::Init) {
    COPPICE_CHECK(init.dtype() == dtype(), "[WeightState] wake expects an init tensor of ", dtype(), "; got ",
                  init.dtype());
    starts = gather(init, explore);
  } else if (start == WakeValue::Dormant && dormant_.defined()) {
    starts = remap(dormant_values_, dormant_, explore);
  }
  const Mask awake = this->awake() | explore;
  const Mask alive = alive_ | explore;
  move_to(alive, freeze_alive ? awake : alive, stateful_ | explore, awake);
  if (starts.defined()) overwrite(values_, stored_, starts, explore);
}

void WeightState::grow(const Mask& grown, GrownValue value, NewbornState newborn) {
  check_within(grown, awake_.defined() ? awake_ | ~alive_ : ~alive_, "grow", "weights that are awake or not alive");
  const Mask explored = awake_.defined() ? grown & awake_ : Mask::none(shape());
  const Mask from_dormant = dormant_.defined() ? (grown & dormant_) - explored : Mask::none(shape());
  const auto [alive, trainable, stateful] =
      each_once({alive_, trainable_, stateful_}, [&](const Mask& set) { return set | grown; });
  move_to(alive, trainable, stateful, awake_.defined() ? awake_ - grown : Mask());
  if (value == GrownValue::Zero) {
    if (explored.count() > 0) clear(values_, stored_, explored);
  } else if (from_dormant.count() > 0) {
    overwrite(values_, stored_, remap(dormant_values_, dormant_, from_dormant), from_dormant);
  }
  if (newborn == NewbornState::Zero && explored.count() > 0) {
    for (auto& [name, vector] : states_) clear(vector, stateful_, explored);
  }
  if (dormant_.defined()) set_dormant(dormant_ - grown);
}

void WeightState::sleep(Dormant dormant) {
  const Mask rest = awake();
  retire(rest, dormant);
  const Mask alive = alive_ - rest;
  move_to(alive, alive, alive, Mask());
}

void WeightState::drop_dormant() {
  set_dormant(Mask::none(shape()));
  ++value_version_;
}

void WeightState::set_trainable(const Mask& trainable) {
  check_within(trainable, alive_, "set_trainable", "weights that are alive");
  move_to(alive_, trainable, stateful_ | trainable, awake());
}

void WeightState::restore(const WeightSets& sets, const Tensor& values, const Tensor& dormant_values) {
  check_within(sets.alive, Mask::all(shape()), "restore", "alive weights");
  const Mask trainable = sets.trainable.defined() ? sets.trainable : sets.alive;
  const Mask stateful = sets.stateful.defined() ? sets.stateful : trainable;
  const Mask awake = sets.awake.defined() ? sets.awake : Mask::none(shape());
  const Mask dormant = sets.dormant.defined() ? sets.dormant : Mask::none(shape());
  check_within(stateful, sets.alive, "restore", "a stateful set within the alive one");
  check_within(trainable, stateful, "restore", "a trainable set within the stateful one");
  check_within(awake, sets.alive, "restore", "an awake set within the alive one");
  check_within(dormant, awake | ~sets.alive, "restore", "a dormant set that is not alive or awake");
  check_values(values, sets.alive, dtype(), "values");
  if (dormant.count() > 0) check_values(dormant_values, dormant, dtype(), "dormant values");
  const Pattern pattern = sets.pattern == Pattern() ? sets.alive.pattern() : sets.pattern;

  pattern_ = settled(sets.alive, awake).with_pattern(pattern).pattern();
  states_.clear();
  move_to(sets.alive, trainable, stateful, awake);
  overwrite(values_, stored_, detail::raw_contiguous(values), alive_);
  dormant_ = or_undefined_if_empty(dormant);
  dormant_values_ = dormant_.defined() ? remap(dormant_values, dormant_, dormant_) : Tensor();
}

std::int64_t WeightState::bytes() const {
  std::int64_t total = values_.nbytes();
  std::vector<const std::uint64_t*> counted;
  for (const Mask* mask : {&stored_, &alive_, &trainable_, &stateful_, &awake_, &dormant_}) {
    if (!mask->defined() || std::ranges::count(counted, mask->words().data()) > 0) continue;
    counted.push_back(mask->words().data());
    total += mask->bytes();
  }
  if (dormant_values_.defined()) total += dormant_values_.nbytes();
  for (const auto& [name, vector] : states_) total += vector.nbytes();
  const std::lock_guard lock(structure_mutex_);
  if (structure_version_ == mask_version_) {
    for (const std::shared_ptr<const KernelStructure>& structure : structures_) total += structure->bytes();
  }
  return total;
}

Tensor Tensor::masked(const Tensor& dense, const Mask& alive) {
  COPPICE_CHECK(dense.shape() == alive.shape(), "[masked] expects a mask of the tensor's shape ", dense.shape(),
                "; got ", alive.shape());
  IntrusivePtr<TensorImpl> impl = make_intrusive<TensorImpl>();
  impl->weight_state = std::make_shared<WeightState>(dense, alive);
  impl->layout = Layout::Masked;
  impl->shape = dense.shape();
  impl->strides = contiguous_strides(dense.shape());
  impl->numel = dense.numel();
  impl->dtype = dense.dtype();
  impl->device = dense.device();
  return Tensor(std::move(impl));
}

WeightState& Tensor::weight_state() const {
  COPPICE_CHECK(defined() && impl_->weight_state, "[weight_state] expects a Masked tensor; got ",
                defined() ? "a dense one" : "an undefined one", "; make one with Tensor::masked(dense, alive)");
  return *impl_->weight_state;
}

}  // namespace coppice
