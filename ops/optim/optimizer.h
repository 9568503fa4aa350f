#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice::optim {

class ParamUpdate;

/// Parameters with their own learning rate and weight decay; unset, the optimiser's.
struct ParamGroup {
  std::vector<Tensor> params;
  std::optional<double> lr{};
  std::optional<double> weight_decay{};
};

/// Two groups for the usual rule: what has two dimensions or more decays, norms and biases do not. Order is kept; a
/// group without parameters is left out.
COPPICE_API std::vector<ParamGroup> split_decay(const std::vector<Tensor>& params, double weight_decay);

/// Writes parameters in place from their gradients; the base of SGD and AdamW.
///
/// A parameter is a leaf, f32 or f64, dense or Masked. Of a Masked one only `trainable` entries are written, and
/// optimiser state is packed over `stateful` in its WeightState, so frozen entries keep value and state and dead ones
/// stay what they are. Its gradient is packed over `trainable` or dense; a packed one from before a change of the mask
/// throws. A parameter without a gradient is skipped. Results do not depend on the number of threads.
class COPPICE_API Optimizer {
 public:
  virtual ~Optimizer();
  Optimizer(const Optimizer&) = delete;
  Optimizer& operator=(const Optimizer&) = delete;

  void step();
  /// Makes every gradient undefined.
  void zero_grad();

  /// The groups, with every rate set. Changing params is not supported.
  std::vector<ParamGroup>& groups() { return groups_; }
  const std::vector<ParamGroup>& groups() const { return groups_; }
  /// The learning rate of the first group at the next step.
  double lr() const;
  /// Scales the rates of all groups so that the first one's is `lr`.
  void set_lr(double lr);
  /// Every group steps with its own rate times this: what a schedule gives (ops/optim/schedule.h).
  void set_lr_factor(double factor);
  double lr_factor() const { return lr_factor_; }

  /// All a run needs to go on: "<parameter index>.<name>", dense, and "<parameter index>.step".
  std::map<std::string, Tensor> state_dict() const;
  /// Takes what state_dict gave, after the masks of Masked parameters were restored. Throws where entries do not fit
  /// the parameters, and then changes nothing.
  void load_state_dict(const std::map<std::string, Tensor>& state);

 protected:
  /// `name` begins error messages.
  Optimizer(const char* name, std::vector<ParamGroup> groups, double lr, double weight_decay);
  virtual void update(ParamUpdate& parameter) = 0;
  const char* name() const { return name_; }

 private:
  friend class ParamUpdate;
  struct Slot {
    Tensor param;
    std::size_t group = 0;
    std::int64_t steps = 0;
    std::map<std::string, Tensor> states;  // of a dense parameter
  };

  void check_state(const std::string& key, const Tensor& tensor) const;
  void load_state(Slot& slot, const std::string& name, const Tensor& tensor);

  const char* name_;
  std::vector<ParamGroup> groups_;
  std::vector<Slot> slots_;
  double lr_factor_ = 1.0;
};

}  // namespace coppice::optim
