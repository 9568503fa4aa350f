#include <coppice/ops/optim/optimizer.h>

#include <algorithm>
#include <charconv>
#include <set>
#include <system_error>
#include <utility>

#include <coppice/autograd/node.h>
#include <coppice/core/mask_slots.h>
#include <coppice/core/parallel.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/ops/cpu/optim.h>
#include <coppice/ops/optim/update.h>

namespace coppice::optim {

namespace {

void check_param(const Tensor& param, const char* name) {
  COPPICE_CHECK(param.defined(), "[", name, "] expects defined parameters");
  COPPICE_CHECK(param.dtype() == kFloat32 || param.dtype() == kFloat64, "[", name,
                "] expects float32 or float64 parameters; got ", param.dtype(), " ", param.shape());
  COPPICE_CHECK(param.is_leaf(), "[", name, "] expects leaf parameters; got the result of an operation, ",
                param.shape());
  COPPICE_CHECK(param.is_masked() || param.is_contiguous(), "[", name, "] expects contiguous parameters; got ",
                param.shape(), "; use contiguous()");
}

/// The gradient packed as ParamUpdate wants it: over trainable, or the dense parameter's elements.
Tensor packed_gradient(const Tensor& param, const char* name) {
  const Tensor gradient = param.grad();
  COPPICE_CHECK(gradient.dtype() == param.dtype(), "[", name, "] expects a gradient of ", param.dtype(), "; got ",
                gradient.dtype(), " for ", param.shape());
  if (!param.is_masked()) {
    COPPICE_CHECK(gradient.shape() == param.shape(), "[", name, "] expects a gradient of ", param.shape(), "; got ",
                  gradient.shape());
    return detail::raw_contiguous(gradient);
  }
  const WeightState& weight = param.weight_state();
  if (gradient.shape() == param.shape()) return WeightState::gather(gradient, weight.trainable());
  const GradMeta* const meta = find_grad_meta(param);
  COPPICE_CHECK(meta->grad_mask_version == weight.mask_version() && gradient.numel() == weight.trainable().count(), "[",
                name, "] expects a gradient of the present mask, ", weight.trainable().count(), " packed elements",
                "; got ", gradient.shape(), " from before the mask of ", param.shape(),
                " changed; step before the change, or zero_grad() after it");
  return detail::raw_contiguous(gradient);
}

Tensor copy_of(const Tensor& tensor) {
  const Tensor copy = Tensor::empty(tensor.shape(), {.dtype = tensor.dtype()});
  detail::copy_into(copy, tensor);
  return copy;
}

}  // namespace

std::vector<ParamGroup> split_decay(const std::vector<Tensor>& params, double weight_decay) {
  ParamGroup decayed{.params = {}, .weight_decay = weight_decay};
  ParamGroup plain{.params = {}, .weight_decay = 0.0};
  for (const Tensor& param : params) (param.dim() >= 2 ? decayed : plain).params.push_back(param);
  std::vector<ParamGroup> groups;
  for (ParamGroup* group : {&decayed, &plain}) {
    if (!group->params.empty()) groups.push_back(std::move(*group));
  }
  return groups;
}

Optimizer::Optimizer(const char* name, std::vector<ParamGroup> groups, double lr, double weight_decay)
    : name_(name), groups_(std::move(groups)) {
  std::set<const TensorImpl*> seen;
  for (std::size_t g = 0; g < groups_.size(); ++g) {
    ParamGroup& group = groups_[g];
    group.lr = group.lr.value_or(lr);
    group.weight_decay = group.weight_decay.value_or(weight_decay);
    COPPICE_CHECK(*group.lr >= 0.0, "[", name_, "] expects lr >= 0; got ", *group.lr);
    COPPICE_CHECK(*group.weight_decay >= 0.0, "[", name_, "] expects weight_decay >= 0; got ", *group.weight_decay);
    for (const Tensor& param : group.params) {
      check_param(param, name_);
      COPPICE_CHECK(seen.insert(param.impl()).second, "[", name_, "] got a parameter of shape ", param.shape(),
                    " twice");
      slots_.push_back({.param = param, .group = g, .steps = 0, .states = {}});
    }
  }
  COPPICE_CHECK(!slots_.empty(), "[", name_, "] expects at least one parameter; got none");
}

Optimizer::~Optimizer() = default;

ParamUpdate::ParamUpdate(const Optimizer& optimizer, Optimizer::Slot& slot)
    : slot_(slot),
      weight_(slot.param.is_masked() ? &slot.param.weight_state() : nullptr),
      values_(weight_ ? weight_->values() : slot.param),
      gradient_(packed_gradient(slot.param, optimizer.name_)),
      lr_(*optimizer.groups_[slot.group].lr * optimizer.lr_factor_),
      weight_decay_(*optimizer.groups_[slot.group].weight_decay),
      step_(slot.steps + 1) {}

Tensor& ParamUpdate::state(const std::string& name) {
  if (weight_) return weight_->state(name);
  Tensor& vector = slot_.states[name];
  if (!vector.defined()) vector = Tensor::zeros(slot_.param.shape(), {.dtype = dtype()});
  return vector;
}

void ParamUpdate::run(cpu::StepRule rule, const cpu::StepFactors& factors, std::initializer_list<const char*> states) {
  cpu::StepArrays arrays{.values = values_.raw_data(), .gradient = gradient_.raw_data(), .states = {}};
  std::size_t count = 0;
  for (const char* name : states) arrays.states.at(count++) = state(name).raw_data();
  const bool is_double = dtype() == kFloat64;
  // The sets nest, so equal counts mean equal packings.
  const std::int64_t trainable = gradient_.numel();
  if (!weight_ || weight_->stored().count() == trainable) {
    parallel_for(0, trainable, 16384, [&](std::int64_t first, std::int64_t last) {
      cpu::step_elements(rule, factors, is_double, arrays, first, last);
    });
    return;
  }
  const auto words_of = [&](const Mask& mask) { return mask.count() == trainable ? nullptr : mask.words().data(); };
  const cpu::StepSets sets{.trainable = weight_->trainable().words().data(),
                           .stored = words_of(weight_->stored()),
                           .stateful = words_of(weight_->stateful())};
  parallel_for(0, std::ssize(weight_->trainable().words()), detail::kSlotGrainWords,
               [&](std::int64_t first, std::int64_t last) {
                 const cpu::StepSlots slots{.trainable = weight_->trainable().rank(first * 64),
                                            .stored = weight_->stored().rank(first * 64),
                                            .stateful = weight_->stateful().rank(first * 64)};
                 cpu::step_words(rule, factors, is_double, arrays, sets, slots, first, last);
               });
}

void Optimizer::step() {
  for (Slot& slot : slots_) {
    if (!slot.param.grad().defined()) continue;
    ParamUpdate parameter(*this, slot);
    update(parameter);
    ++slot.steps;
    if (parameter.weight_) {
      parameter.weight_->bump_values();
    } else {
      slot.param.impl()->storage->bump_version();
    }
  }
}

void Optimizer::zero_grad() {
  for (const Slot& slot : slots_) slot.param.set_grad({});
}

double Optimizer::lr() const { return *groups_.front().lr * lr_factor_; }

void Optimizer::set_lr(double lr) {
  const double base = *groups_.front().lr;
  COPPICE_CHECK(lr >= 0.0 && base > 0.0, "[", name_, "] set_lr expects a rate >= 0 and a first group whose own is > 0",
                "; got ", lr, " and ", base);
  lr_factor_ = lr / base;
}

void Optimizer::set_lr_factor(double factor) {
  COPPICE_CHECK(factor >= 0.0, "[", name_, "] set_lr_factor expects a factor >= 0; got ", factor);
  lr_factor_ = factor;
}

std::map<std::string, Tensor> Optimizer::state_dict() const {
  std::map<std::string, Tensor> result;
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    const Slot& slot = slots_[i];
    const std::string prefix = std::to_string(i) + '.';
    result[prefix + "step"] = Tensor::full({}, static_cast<double>(slot.steps), {.dtype = kInt64});
    if (slot.param.is_masked()) {
      const WeightState& weight = slot.param.weight_state();
      for (const auto& [name, vector] : weight.states()) {
        result[prefix + name] = WeightState::scatter(vector, weight.stateful());
      }
    } else {
      for (const auto& [name, vector] : slot.states) {
        result[prefix + name] = copy_of(vector);
      }
    }
  }
  return result;
}

void Optimizer::load_state_dict(const std::map<std::string, Tensor>& state) {
  for (std::size_t i = 0; i < slots_.size(); ++i) {
    COPPICE_CHECK(state.contains(std::to_string(i) + ".step"), "[", name_, "] load_state_dict expects an entry ", i,
                  ".step; the saved run had fewer parameters than ", slots_.size());
  }
  for (const auto& [key, tensor] : state) check_state(key, tensor);
  for (const auto& [key, tensor] : state) {
    const std::size_t dot = key.find('.');
    load_state(slots_[std::stoul(key.substr(0, dot))], key.substr(dot + 1), tensor);
  }
}

void Optimizer::check_state(const std::string& key, const Tensor& tensor) const {
  const std::size_t dot = std::min(key.find('.'), key.size() - 1);
  std::size_t index = slots_.size();
  const auto [end, error] = std::from_chars(key.data(), key.data() + dot, index);
  COPPICE_CHECK(error == std::errc() && end == key.data() + dot && index < slots_.size(), "[", name_,
                "] load_state_dict expects keys '<parameter index>.<name>' for ", slots_.size(), " parameters; got '",
                key, "'");
  const bool is_step = key.substr(dot + 1) == "step";
  const Tensor& param = slots_[index].param;
  const Shape shape = is_step ? Shape{} : param.shape();
  const DType dtype = is_step ? kInt64 : param.dtype();
  COPPICE_CHECK(tensor.shape() == shape && tensor.dtype() == dtype, "[", name_, "] load_state_dict expects ", dtype,
                " ", shape, " for ", key, "; got ", tensor.dtype(), " ", tensor.shape());
}

void Optimizer::load_state(Slot& slot, const std::string& name, const Tensor& tensor) {
  if (name == "step") {
    slot.steps = tensor.item<std::int64_t>();
  } else if (slot.param.is_masked()) {
    WeightState& weight = slot.param.weight_state();
    weight.state(name) = WeightState::gather(tensor, weight.stateful());
  } else {
    slot.states[name] = copy_of(tensor);
  }
}

}  // namespace coppice::optim
