#include <coppice/models/nn/fine_tune.h>

#include <ostream>

#include <coppice/core/mask.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/linear.h>
#include <coppice/models/nn/masked_state.h>
#include <coppice/models/nn/prunable.h>

namespace coppice::nn {

namespace {

bool is_below(std::string_view name, std::string_view parent) {
  return parent.empty() || name == parent || (name.starts_with(parent) && name[parent.size()] == '.');
}

std::int64_t set_trained(const char* op, Module& module, std::string_view name, bool trained) {
  std::int64_t count = 0;
  for (NamedTensor& entry : module.named_parameters()) {
    if (!is_below(entry.name, name)) continue;
    entry.tensor.requires_grad_(trained);
    entry.tensor.set_grad({});
    count += entry.tensor.numel();
  }
  COPPICE_CHECK(count > 0, "[", op, "] expects the name of a module of ", module.description(),
                " with parameters; got \"", name, "\"");
  using Mode = BatchNorm2d::Mode;
  const Mode held{BatchNormStatistics::Running, BatchNormRunning::Hold};
  for (const NamedModule& entry : module.named_modules()) {
    auto* norm = dynamic_cast<BatchNorm2d*>(entry.module);
    if (norm && is_below(entry.name, name)) norm->set_mode(trained ? std::nullopt : std::optional<Mode>(held));
  }
  return count;
}

}  // namespace

std::ostream& operator<<(std::ostream& out, const LoadReport& report) {
  out << report.loaded.size() << " loaded";
  const auto list = [&](const char* kind, const std::vector<std::string>& names) {
    for (std::size_t i = 0; i < names.size(); ++i) out << (i == 0 ? kind : ", ") << names[i];
  };
  list("; missing ", report.missing);
  list("; unexpected ", report.unexpected);
  list("; of another shape ", report.mismatched);
  return out;
}

LoadReport load_matching(Module& module, const StateDict& state) {
  LoadReport report;
  StateDict own = masked_state_dict(module);
  StateDict fitting;
  for (const NamedTensor& entry : state) {
    if (!own.contains(entry.name)) {
      report.unexpected.push_back(entry.name);
    } else if (own.at(entry.name).shape() != entry.tensor.shape()) {
      report.mismatched.push_back(entry.name);
    } else {
      report.loaded.push_back(entry.name);
      fitting.set(entry.name, entry.tensor);
    }
  }
  for (const NamedTensor& entry : own) {
    if (!state.contains(entry.name)) report.missing.push_back(entry.name);
  }
  load_masked_state_dict(module, fitting, /*strict=*/false);
  return report;
}

std::int64_t prune_zeros(Module& module) {
  std::int64_t dead = 0;
  for (const PrunableWeight& weight : prunable(module)) {
    if (weight.tensor().is_masked()) continue;
    const Tensor values = weight.tensor().detach();
    const Mask alive = Mask::from_nonzero(values);
    if (alive.count() == values.numel()) continue;
    dead += values.numel() - alive.count();
    weight.replace(Tensor::masked(values, alive));
  }
  return dead;
}

std::string replace_head(Module& module, std::int64_t classes, std::uint64_t seed) {
  NamedModule last;
  for (const NamedModule& entry : module.named_modules()) {
    if (!entry.name.empty() && dynamic_cast<Linear*>(entry.module)) last = entry;
  }
  COPPICE_CHECK(last.module != nullptr, "[replace_head] expects a Linear layer in the network; got ",
                module.description(), ", which has none");
  COPPICE_CHECK(classes >= 1, "[replace_head] expects at least one class; got ", classes);
  const auto& old = static_cast<const Linear&>(*last.module);
  auto head = std::make_shared<Linear>(old.weight().size(1), classes, LinearOptions{.bias = old.bias().defined()});
  head->reset_parameters(seed, last.name + ".");
  if (old.weight().dtype() != kFloat32) head->to(old.weight().dtype());
  module.set_module(last.name, head);
  return last.name;
}

std::int64_t freeze(Module& module, std::string_view name) { return set_trained("freeze", module, name, false); }

std::int64_t unfreeze(Module& module, std::string_view name) { return set_trained("unfreeze", module, name, true); }

}  // namespace coppice::nn
