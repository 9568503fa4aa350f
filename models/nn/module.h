#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include <coppice/core/tensor.h>
#include <coppice/models/nn/state_dict.h>

namespace coppice::nn {

class Module;

struct NamedModule {
  std::string name;  ///< dotted path from the module asked; empty for itself
  Module* module = nullptr;
};

/// A layer or a network: parameters, buffers and child modules by name, and what they compute.
///
/// Names of parameters are dotted paths as in torchvision, `features.0.weight`. A parameter is dense or Masked; layers
/// read it through a reference that stays valid when set_parameter replaces it.
class COPPICE_API Module {
 public:
  using ForwardHook = std::function<void(Module& module, const Tensor& input, const Tensor& output)>;

  Module() = default;
  virtual ~Module();
  Module(const Module&) = delete;
  Module& operator=(const Module&) = delete;

  virtual Tensor forward(const Tensor& input) = 0;
  /// What a reader of a summary sees: `Linear(784, 300)`.
  virtual std::string description() const = 0;
  /// forward, then the forward hooks.
  Tensor operator()(const Tensor& input);

  // --- parameters and buffers, this module's first, then those of its children in order of registration
  std::vector<NamedTensor> named_parameters() const;
  std::vector<Tensor> parameters() const;
  std::vector<NamedTensor> named_buffers() const;
  /// The parameter of that dotted name. Throws `[Module] …` when there is none.
  const Tensor& parameter(std::string_view name) const;
  /// Puts `value` (dense or Masked, same shape and dtype) in place of a parameter; it becomes a leaf that requires a
  /// gradient iff the old one did.
  void set_parameter(std::string_view name, const Tensor& value);
  /// Elements of all parameters; with `alive_only`, those of Masked ones that are alive.
  std::int64_t parameter_count(bool alive_only = false) const;
  void zero_grad();
  /// Converts floating parameters and buffers; Masked ones keep what is alive and lose optimiser state.
  void to(DType dtype);

  // --- the tree
  /// This module and all below it, parents first.
  std::vector<NamedModule> named_modules();
  const std::vector<std::pair<std::string, std::shared_ptr<Module>>>& children() const { return children_; }
  /// The module of that dotted name below this one; itself for an empty name. Throws `[Module] …` when there is none.
  Module& module(std::string_view name);
  /// Puts `module` in place of the one of that dotted name, in its training or evaluation mode. Layers that find their
  /// children by name, as Sequential and all networks of models/ do, use it from now on; one that keeps a pointer of
  /// its own to a child does not see it.
  void set_module(std::string_view name, std::shared_ptr<Module> module);

  // --- state
  /// Copies of all parameters and buffers; Masked ones as dense tensors with zeros where not alive. (PyTorch's shares
  /// memory with the module; a snapshot does not.)
  StateDict state_dict() const;
  /// Copies values in, casting to each parameter's dtype. A Masked parameter takes its alive values.
  ///
  /// Throws, with nothing written, when shapes differ; and if `strict`, when names are missing or unexpected or a
  /// weight that is not alive would be non-zero. The message lists all of them.
  void load_state_dict(const StateDict& state, bool strict = true);

  // --- mode
  void train(bool training = true);
  void eval() { train(false); }
  bool is_training() const { return training_; }

  /// Runs `hook` after every forward through operator(). Returns an id for remove_forward_hook.
  int add_forward_hook(ForwardHook hook);
  void remove_forward_hook(int id);
  bool has_forward_hooks() const { return !hooks_.empty(); }

  /// Draws this module's own parameters anew (not its children's), each from Generator::keyed(seed, prefix + name).
  virtual void reset_parameters(std::uint64_t seed, const std::string& prefix);
  /// Names of its own parameters that pruning may touch.
  virtual std::vector<std::string> prunable_parameters() const { return {}; }

 protected:
  /// Registers a parameter, which from now on requires a gradient; undefined where a layer goes without, e.g. no bias.
  Tensor& register_parameter(const std::string& name, const Tensor& value);
  Tensor& register_buffer(const std::string& name, const Tensor& value);
  template <class M>
  std::shared_ptr<M> register_module(const std::string& name, std::shared_ptr<M> module) {
    add_child(name, module);
    return module;
  }

 private:
  using Visit = std::function<void(const std::string& prefix, const Module& module)>;

  void visit(const std::string& prefix, const Visit& body) const;
  Tensor& find_parameter(std::string_view name);
  /// Null where there is none.
  Module* find_module(std::string_view name);
  /// What the last part of a dotted name belongs to, and that part.
  std::pair<Module*, std::string_view> find_owner(std::string_view name);
  void add_child(const std::string& name, std::shared_ptr<Module> module);
  void check_new_name(const std::string& name) const;

  struct Hook {
    int id;
    ForwardHook run;
  };

  // A deque keeps the references that layers hold valid while more are registered.
  std::deque<NamedTensor> parameters_;
  std::deque<NamedTensor> buffers_;
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> children_;
  std::vector<Hook> hooks_;
  int next_hook_ = 0;
  bool training_ = true;
};

/// Draws every parameter of a network anew, keyed by (seed, full name): independent of the order of construction.
COPPICE_API void initialize(Module& module, std::uint64_t seed);

}  // namespace coppice::nn
