#include <coppice/models/nn/module.h>

#include <algorithm>

#include <coppice/core/mask.h>
#include <coppice/core/tensor_impl.h>
#include <coppice/core/weight_state.h>

namespace coppice::nn {

Module::~Module() = default;

Tensor Module::operator()(const Tensor& input) {
  const Tensor output = forward(input);
  if (!hooks_.empty()) {
    const std::vector<Hook> hooks = hooks_;  // a hook may add or remove some
    for (const Hook& hook : hooks) hook.run(*this, input, output);
  }
  return output;
}

void Module::reset_parameters(std::uint64_t, const std::string&) {}

// --- the tree

void Module::visit(const std::string& prefix, const Visit& body) const {
  body(prefix, *this);
  for (const auto& [name, child] : children_) child->visit(prefix + name + ".", body);
}

std::vector<NamedModule> Module::named_modules() {
  std::vector<NamedModule> modules{{"", this}};
  for (const auto& [name, child] : children_) {
    for (const NamedModule& below : child->named_modules()) {
      modules.push_back({below.name.empty() ? name : name + "." + below.name, below.module});
    }
  }
  return modules;
}

Module* Module::find_module(std::string_view name) {
  if (name.empty()) return this;
  const auto [owner, last] = find_owner(name);
  for (std::size_t i = 0; owner != nullptr && i < owner->children_.size(); ++i) {
    if (owner->children_[i].first == last) return owner->children_[i].second.get();
  }
  return nullptr;
}

std::pair<Module*, std::string_view> Module::find_owner(std::string_view name) {
  const std::size_t dot = name.rfind('.');
  if (dot == std::string_view::npos) return {this, name};
  return {dot == 0 ? nullptr : find_module(name.substr(0, dot)), name.substr(dot + 1)};
}

Module& Module::module(std::string_view name) {
  Module* found = find_module(name);
  COPPICE_CHECK(found != nullptr, "[Module] expects a module of ", description(), "; got the name \"", name, "\"");
  return *found;
}

void Module::set_module(std::string_view name, std::shared_ptr<Module> module) {
  COPPICE_CHECK(module != nullptr, "[Module] expects a module for \"", name, "\"; got null");
  const auto [owner, last] = find_owner(name);
  for (std::size_t i = 0; owner != nullptr && i < owner->children_.size(); ++i) {
    auto& [child_name, child] = owner->children_[i];
    if (child_name != last) continue;
    module->train(child->is_training());
    child = std::move(module);
    return;
  }
  detail::fail("[Module] expects a module of ", description(), "; got the name \"", name, "\"");
}

void initialize(Module& module, std::uint64_t seed) {
  for (const NamedModule& entry : module.named_modules()) {
    entry.module->reset_parameters(seed, entry.name.empty() ? "" : entry.name + ".");
  }
}

void Module::train(bool training) {
  for (const NamedModule& entry : named_modules()) entry.module->training_ = training;
}

int Module::add_forward_hook(ForwardHook hook) {
  hooks_.push_back({next_hook_, std::move(hook)});
  return next_hook_++;
}

void Module::remove_forward_hook(int id) {
  std::erase_if(hooks_, [id](const Hook& hook) { return hook.id == id; });
}

// --- registration

void Module::check_new_name(const std::string& name) const {
  const auto same = [&](const auto& entry) { return entry.name == name; };
  const bool taken = std::any_of(parameters_.begin(), parameters_.end(), same) ||
                     std::any_of(buffers_.begin(), buffers_.end(), same) ||
                     std::any_of(children_.begin(), children_.end(), [&](const auto& c) { return c.first == name; });
  COPPICE_CHECK(!name.empty() && name.find('.') == std::string::npos,
                "[Module] expects a name without dots that is not empty; got \"", name, "\"");
  COPPICE_CHECK(!taken, "[Module] expects a new name; got \"", name, "\", which is taken");
}

Tensor& Module::register_parameter(const std::string& name, const Tensor& value) {
  check_new_name(name);
  Tensor& tensor = parameters_.emplace_back(NamedTensor{name, value}).tensor;
  if (tensor.defined()) tensor.requires_grad_();
  return tensor;
}

Tensor& Module::register_buffer(const std::string& name, const Tensor& value) {
  check_new_name(name);
  return buffers_.emplace_back(NamedTensor{name, value}).tensor;
}

void Module::add_child(const std::string& name, std::shared_ptr<Module> module) {
  check_new_name(name);
  COPPICE_CHECK(module != nullptr, "[Module] expects a module for \"", name, "\"; got null");
  children_.emplace_back(name, std::move(module));
}

// --- parameters and buffers

std::vector<NamedTensor> Module::named_parameters() const {
  std::vector<NamedTensor> result;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const NamedTensor& entry : module.parameters_) {
      if (entry.tensor.defined()) result.push_back({prefix + entry.name, entry.tensor});
    }
  });
  return result;
}

std::vector<NamedTensor> Module::named_buffers() const {
  std::vector<NamedTensor> result;
  visit("", [&](const std::string& prefix, const Module& module) {
    for (const NamedTensor& entry : module.buffers_) {
      if (entry.tensor.defined()) result.push_back({prefix + entry.name, entry.tensor});
    }
  });
  return result;
}

std::vector<Tensor> Module::parameters() const {
  std::vector<Tensor> result;
  for (const NamedTensor& entry : named_parameters()) result.push_back(entry.tensor);
  return result;
}

Tensor& Module::find_parameter(std::string_view name) {
  const auto [module, rest] = find_owner(name);
  if (module != nullptr) {
    for (NamedTensor& entry : module->parameters_) {
      if (entry.name == rest && entry.tensor.defined()) return entry.tensor;
    }
  }
  detail::fail("[Module] expects a parameter of ", description(), "; got the name \"", name, "\"");
}

const Tensor& Module::parameter(std::string_view name) const {
  return const_cast<Module*>(this)->find_parameter(name);  // which writes nothing
}

void Module::set_parameter(std::string_view name, const Tensor& value) {
  Tensor& old = find_parameter(name);
  COPPICE_CHECK(value.defined() && value.shape() == old.shape() && value.dtype() == old.dtype(),
                "[Module] set_parameter expects ", old.dtype(), " ", old.shape(), " for \"", name, "\"; got ",
                value.defined() ? value.to_string(0) : "an undefined tensor");
  Tensor leaf = value.is_leaf() ? value : value.detach();
  leaf.requires_grad_(old.requires_grad());
  old = leaf;
}

std::int64_t Module::parameter_count(bool alive_only) const {
  std::int64_t count = 0;
  for (const NamedTensor& entry : named_parameters()) {
    const bool sparse = alive_only && entry.tensor.is_masked();
    count += sparse ? entry.tensor.weight_state().alive().count() : entry.tensor.numel();
  }
  return count;
}

void Module::zero_grad() {
  for (const NamedTensor& entry : named_parameters()) entry.tensor.set_grad({});
}

void Module::to(DType dtype) {
  COPPICE_CHECK(is_floating(dtype), "[Module] to expects a floating dtype; got ", dtype);
  for (const NamedModule& named : named_modules()) {
    for (NamedTensor& entry : named.module->parameters_) {
      Tensor& tensor = entry.tensor;
      if (!tensor.defined() || tensor.dtype() == dtype) continue;
      const bool requires_grad = tensor.requires_grad();
      const Tensor dense = detail::raw_cast(tensor.to_dense(), dtype);
      tensor = tensor.is_masked() ? Tensor::masked(dense, tensor.weight_state().alive()) : dense;
      tensor.requires_grad_(requires_grad);
    }
    for (NamedTensor& entry : named.module->buffers_) {
      if (entry.tensor.defined() && is_floating(entry.tensor.dtype())) {
        entry.tensor = detail::raw_cast(entry.tensor, dtype);
      }
    }
  }
}

}  // namespace coppice::nn
