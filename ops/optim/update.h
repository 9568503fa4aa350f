#pragma once

#include <array>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <utility>

#include <coppice/core/mask_slots.h>
#include <coppice/core/parallel.h>
#include <coppice/core/weight_state.h>
#include <coppice/ops/optim/optimizer.h>

namespace coppice::cpu {
enum class StepRule : std::uint8_t;
struct StepFactors;
}  // namespace coppice::cpu

namespace coppice::optim {

/// One parameter in one step: what an optimiser's update() works on.
class COPPICE_API ParamUpdate {
 public:
  double lr() const { return lr_; }
  double weight_decay() const { return weight_decay_; }
  /// Steps this parameter has taken, the present one included.
  std::int64_t step() const { return step_; }
  DType dtype() const { return values_.dtype(); }

  /// Calls rule(value, gradient, state...) for every trainable element, where value and state are references, and
  /// state are the vectors of those names, zero at first. Elements are independent and run in any order.
  template <class T, std::size_t kStates, class Rule>
  void apply(const std::array<const char*, kStates>& names, Rule rule) {
    std::array<T*, kStates> states;
    for (std::size_t s = 0; s < kStates; ++s) states[s] = state(names[s]).template data<T>();
    apply_to<T>(states, rule, std::make_index_sequence<kStates>());
  }

  /// The same for a rule of the engine's own, in vectors; `states` are its names.
  void run(cpu::StepRule rule, const cpu::StepFactors& factors, std::initializer_list<const char*> states);

 private:
  friend class Optimizer;
  ParamUpdate(const Optimizer& optimizer, Optimizer::Slot& slot);
  Tensor& state(const std::string& name);

  template <class T>
  static void gather(const T* from, const detail::WordRanks& ranks, std::size_t count, std::array<T, 64>& to) {
    for (std::size_t i = 0; i < count; ++i) to[i] = from[ranks[i]];
  }
  template <class T>
  static void scatter(const std::array<T, 64>& from, const detail::WordRanks& ranks, std::size_t count, T* to) {
    for (std::size_t i = 0; i < count; ++i) to[ranks[i]] = from[i];
  }

  template <class T, std::size_t kStates, class Rule, std::size_t... kState>
  void apply_to(const std::array<T*, kStates>& states, Rule rule, std::index_sequence<kState...>) {
    T* const values = values_.data<T>();
    const T* const gradient = gradient_.data<T>();
    // The sets nest, so equal counts mean that all packings are one.
    if (!weight_ || weight_->stored().count() == weight_->trainable().count()) {
      parallel_for(0, gradient_.numel(), 16384, [&](std::int64_t first, std::int64_t last) {
        const std::array<T*, kStates> local = states;
        for (std::int64_t i = first; i < last; ++i) rule(values[i], gradient[i], local[kState][i]...);
      });
      return;
    }
    // Word by word: what lies apart is brought together, so that the rule runs over short arrays.
    detail::for_each_word<2>(weight_->trainable(), {&weight_->stored(), &weight_->stateful()},
                             [=](std::int64_t word_count, std::int64_t slot, const std::array<std::int64_t, 2>& starts,
                                 const std::array<detail::WordRanks, 2>& ranks) {
                               const auto count = static_cast<std::size_t>(word_count);
                               std::array<T, 64> local_values;
                               std::array<std::array<T, 64>, kStates> local;
                               gather(values + starts[0], ranks[0], count, local_values);
                               (gather(states[kState] + starts[1], ranks[1], count, local[kState]), ...);
                               for (std::size_t i = 0; i < count; ++i) {
                                 rule(local_values[i], gradient[slot + static_cast<std::int64_t>(i)],
                                      local[kState][i]...);
                               }
                               scatter(local_values, ranks[0], count, values + starts[0]);
                               (scatter(local[kState], ranks[1], count, states[kState] + starts[1]), ...);
                             });
  }

  Optimizer::Slot& slot_;
  WeightState* weight_ = nullptr;
  Tensor values_;
  Tensor gradient_;
  double lr_ = 0;
  double weight_decay_ = 0;
  std::int64_t step_ = 0;
};

}  // namespace coppice::optim
