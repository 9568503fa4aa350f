// State dicts of a Module: taking one, and loading one all or nothing.

#include <sstream>

#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/init.h>
#include <coppice/models/nn/module.h>

namespace coppice::nn {

namespace {

/// What keeps a state dict from being loaded, all of it.
class Complaints {
 public:
  template <class... Parts>
  void add(const char* kind, const Parts&... parts) {
    text_ << (empty_ ? "" : "; ") << kind << ' ';
    (text_ << ... << parts);
    empty_ = false;
  }
  void check() const { COPPICE_CHECK(empty_, "[load_state_dict] ", text_.str()); }

 private:
  std::ostringstream text_;
  bool empty_ = true;
};

/// How many elements of a dense tensor differ from 0 where nothing is alive.
std::int64_t dead_and_nonzero(const Tensor& dense, const Mask& alive) {
  return (Mask::from_nonzero(dense) - alive).count();
}

Tensor dense_of(const Tensor& tensor) { return tensor.is_masked() ? tensor.to_dense() : detail::detached(tensor); }

}  // namespace

StateDict Module::state_dict() const {
  StateDict state;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const NamedTensor& entry : module.parameters_) {
      if (entry.tensor.defined()) state.set(prefix + entry.name, entry.tensor.to_dense());
    }
    for (const NamedTensor& entry : module.buffers_) {
      if (entry.tensor.defined()) state.set(prefix + entry.name, entry.tensor.to_dense());
    }
  });
  return state;
}

void Module::load_state_dict(const StateDict& state, bool strict) {
  std::vector<NamedTensor> targets = named_parameters();
  for (NamedTensor& buffer : named_buffers()) targets.push_back(std::move(buffer));

  Complaints complaints;
  StateDict known;
  for (const NamedTensor& target : targets) {
    known.set(target.name, target.tensor);
    if (!state.contains(target.name)) {
      if (strict) complaints.add("missing", target.name);
      continue;
    }
    const Tensor& value = state.at(target.name);
    if (value.shape() != target.tensor.shape()) {
      complaints.add("shape of", target.name, ": got ", value.shape(), " for ", target.tensor.shape());
    } else if (strict && target.tensor.is_masked()) {
      const std::int64_t lost = dead_and_nonzero(dense_of(value), target.tensor.weight_state().alive());
      if (lost > 0) {
        complaints.add("values of", target.name, ": ", lost, " of ", value.numel(), " are not 0 but not alive");
      }
    }
  }
  if (strict) {
    for (const NamedTensor& entry : state) {
      if (!known.contains(entry.name)) complaints.add("unexpected", entry.name);
    }
  }
  complaints.check();

  for (const NamedTensor& target : targets) {
    if (state.contains(target.name)) assign_parameter(target.tensor, dense_of(state.at(target.name)));
  }
}

}  // namespace coppice::nn
