#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include <coppice/core/mask.h>
#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// An exponential moving average of a network's floating parameters, for evaluation: a ← decay · a + (1 − decay) · w.
/// Buffers, the running statistics of norms among them, are copied as they are.
///
/// Of a Masked weight only what is alive is averaged and held. Where the mask has changed since the last update, what
/// is dead now is forgotten, and a newborn starts from its present value.
class COPPICE_API MovingAverage {
 public:
  /// Starts from the present values. `module` must outlive this.
  explicit MovingAverage(Module& module, double decay = 0.999);

  /// After every step of the optimiser.
  void update();
  std::int64_t updates() const { return updates_; }
  /// Exchanges the network's values with the averages; a second time brings back what was there. In between, the
  /// network must not be trained and its masks must not change.
  void swap();

  /// Averages by name, Masked ones dense with zeros: what Module::load_state_dict takes.
  StateDict state_dict() const;

 private:
  struct Entry {
    std::string name;
    Tensor average;  // packed over `alive` where the parameter is Masked
    Mask alive;
    std::uint64_t mask_version = 0;
    bool averaged = false;  // else copied
  };

  Module& module_;
  double decay_;
  std::int64_t updates_ = 0;
  std::vector<Entry> entries_;

  static Tensor packed(const Tensor& parameter);
  static void assign(const Tensor& parameter, const Tensor& values);
};

}  // namespace coppice::nn
