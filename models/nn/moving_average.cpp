#include <coppice/models/nn/moving_average.h>

#include <utility>

#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice::nn {

Tensor MovingAverage::packed(const Tensor& parameter) {
  if (!parameter.is_masked()) return parameter.detach();
  const WeightState& state = parameter.weight_state();
  return WeightState::remap(state.values(), state.stored(), state.alive());
}

void MovingAverage::assign(const Tensor& parameter, const Tensor& values) {
  if (parameter.is_masked()) {
    WeightState& state = parameter.weight_state();
    state.assign(WeightState::scatter(values, state.alive()));
  } else {
    detail::copy_into(parameter, values);
  }
}

MovingAverage::MovingAverage(Module& module, double decay) : module_(module), decay_(decay) {
  COPPICE_CHECK(decay >= 0.0 && decay <= 1.0, "[MovingAverage] expects a decay in [0, 1]; got ", decay);
  const auto add = [&](const NamedTensor& named, bool averaged) {
    Entry& entry = entries_.emplace_back();
    entry.name = named.name;
    entry.average = packed(named.tensor).clone();
    entry.averaged = averaged && is_floating(named.tensor.dtype());
    if (!named.tensor.is_masked()) return;
    entry.alive = named.tensor.weight_state().alive();
    entry.mask_version = named.tensor.weight_state().mask_version();
  };
  for (const NamedTensor& named : module.named_parameters()) add(named, true);
  for (const NamedTensor& named : module.named_buffers()) add(named, false);
}

void MovingAverage::update() {
  std::size_t index = 0;
  const auto take = [&](const NamedTensor& named) {
    COPPICE_CHECK(index < entries_.size() && entries_[index].name == named.name,
                  "[MovingAverage] expects the parameters it began with; got ", named.name);
    Entry& entry = entries_[index++];
    const Tensor value = packed(named.tensor);
    const std::uint64_t version = named.tensor.is_masked() ? named.tensor.weight_state().mask_version() : 0;
    if (version != entry.mask_version) {
      const Mask alive = named.tensor.weight_state().alive();
      // Newborns have no average yet: theirs is the present value.
      const Mask newborn = entry.alive.defined() ? alive - entry.alive : alive;
      const Tensor kept = entry.alive.defined() ? WeightState::remap(entry.average, entry.alive, alive)
                                                : WeightState::gather(entry.average, alive);
      const Tensor fresh = WeightState::remap(value, alive, newborn);
      entry.average = kept;
      detail::add_into(entry.average, WeightState::remap(fresh, newborn, alive), 1.0);
      entry.alive = alive;
      entry.mask_version = version;
    }
    if (!entry.averaged) {
      detail::copy_into(entry.average, value);
    } else {
      entry.average.mul_(decay_);
      detail::add_into(entry.average, value, 1.0 - decay_);
    }
  };
  for (const NamedTensor& named : module_.named_parameters()) take(named);
  for (const NamedTensor& named : module_.named_buffers()) take(named);
  ++updates_;
}

void MovingAverage::swap() {
  std::vector<NamedTensor> all = module_.named_parameters();
  for (NamedTensor& buffer : module_.named_buffers()) all.push_back(std::move(buffer));
  for (std::size_t i = 0; i < all.size(); ++i) {
    const Tensor& tensor = all[i].tensor;
    Entry& entry = entries_.at(i);
    COPPICE_CHECK(!tensor.is_masked() || tensor.weight_state().mask_version() == entry.mask_version,
                  "[MovingAverage] expects the masks of the last update; ", entry.name, " has changed; call update()");
    const Tensor now = packed(tensor).clone();
    assign(tensor, entry.average);
    entry.average = now;
  }
}

StateDict MovingAverage::state_dict() const {
  StateDict state;
  for (const Entry& entry : entries_) {
    state.set(entry.name,
              entry.alive.defined() ? WeightState::scatter(entry.average, entry.alive) : entry.average.clone());
  }
  return state;
}

}  // namespace coppice::nn
