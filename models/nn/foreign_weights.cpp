#include <coppice/models/nn/foreign_weights.h>

#include <array>
#include <map>
#include <string_view>

#include <coppice/core/io/pruned.h>
#include <coppice/core/io/pth.h>
#include <coppice/core/io/safetensors.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/linear.h>

namespace coppice::nn {

namespace {

std::vector<std::string> names_of(const Module& module) {
  std::vector<std::string> names;
  for (const NamedTensor& entry : module.named_parameters()) names.push_back(entry.name);
  for (const NamedTensor& entry : module.named_buffers()) names.push_back(entry.name);
  return names;
}

void replace_all(std::string& text, std::string_view from, std::string_view to) {
  for (std::size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

/// The shape of `name` in the state where it differs from `own`; checks that only the first `widths` sizes do.
const Shape* new_shape(const StateDict& state, const std::string& name, const Shape& own, int widths) {
  if (!state.contains(name)) return nullptr;
  const Shape& shape = state.at(name).shape();
  if (shape == own) return nullptr;
  bool fits = shape.rank() == own.rank();
  for (int i = widths; fits && i < own.rank(); ++i) fits = shape[i] == own[i];
  COPPICE_CHECK(fits && shape.numel() > 0, "[adopt_widths] ", name, " expects ", own, " with other widths; got ",
                shape);
  return &shape;
}

std::shared_ptr<Module> widened(const Module& layer, const StateDict& state, const std::string& name) {
  if (const auto* conv = dynamic_cast<const Conv2d*>(&layer)) {
    const Shape& own = conv->weight().shape();
    const Shape* shape = new_shape(state, name + ".weight", own, 2);
    if (shape == nullptr) return nullptr;
    const Conv2dOptions& options = conv->options();
    const bool depthwise = options.groups > 1 && own[1] == 1 && options.groups == own[0];
    COPPICE_CHECK(depthwise ? (*shape)[1] == 1 : (*shape)[0] % options.groups == 0, "[adopt_widths] ", name,
                  ".weight expects groups=", options.groups, " to stay possible; got ", *shape, " for ", own);
    const std::int64_t groups = depthwise ? (*shape)[0] : options.groups;
    return std::make_shared<Conv2d>((*shape)[1] * groups, (*shape)[0], std::array{own[2], own[3]},
                                    Conv2dLayerOptions{.stride = options.stride,
                                                       .padding = options.padding,
                                                       .dilation = options.dilation,
                                                       .groups = groups,
                                                       .bias = conv->bias().defined(),
                                                       .draw = false});
  }
  if (const auto* linear = dynamic_cast<const Linear*>(&layer)) {
    const Shape* shape = new_shape(state, name + ".weight", linear->weight().shape(), 2);
    if (shape == nullptr) return nullptr;
    return std::make_shared<Linear>((*shape)[1], (*shape)[0], LinearOptions{.bias = linear->bias().defined()});
  }
  if (const auto* norm = dynamic_cast<const BatchNorm2d*>(&layer)) {
    const Shape* shape = new_shape(state, name + ".running_mean", norm->running_mean().shape(), 1);
    if (shape == nullptr) return nullptr;
    return std::make_shared<BatchNorm2d>((*shape)[0], norm->options());
  }
  return nullptr;
}

}  // namespace

StateDict read_state_dict(const std::filesystem::path& file) {
  StateDict state;
  const std::map<std::string, Tensor> tensors =
      join_pruned(is_pth(file) ? load_pth(file).tensors : load_safetensors(file).tensors);
  for (const auto& [name, tensor] : tensors) state.set(name, tensor);
  return state;
}

StateDict rename_keys(const StateDict& state, const std::vector<KeyRule>& rules) {
  StateDict renamed;
  for (const NamedTensor& entry : state) {
    std::string name = entry.name;
    for (const KeyRule& rule : rules) {
      COPPICE_CHECK(!rule.from.empty() && rule.from != "^", "[rename_keys] expects something to replace; got nothing");
      if (rule.from.front() != '^') {
        replace_all(name, rule.from, rule.to);
      } else if (name.starts_with(std::string_view(rule.from).substr(1))) {
        name.replace(0, rule.from.size() - 1, rule.to);
      }
    }
    COPPICE_CHECK(!renamed.contains(name), "[rename_keys] expects different names; got ", name, " twice, also for ",
                  entry.name);
    renamed.set(name, entry.tensor);
  }
  return renamed;
}

StateDict without_prefix(const Module& module, const StateDict& state) {
  std::map<std::string, std::int64_t> found;  // names of the module below each prefix
  for (const std::string& name : names_of(module)) {
    for (const NamedTensor& entry : state) {
      if (!entry.name.ends_with(name)) continue;
      const std::string prefix = entry.name.substr(0, entry.name.size() - name.size());
      if (prefix.empty() || prefix.ends_with('.')) ++found[prefix];
    }
  }
  std::string best;
  for (const auto& [prefix, count] : found) {
    if (count > found[best]) best = prefix;
  }
  if (best.empty()) return state;
  StateDict result;
  for (const NamedTensor& entry : state) {
    if (entry.name.starts_with(best)) result.set(entry.name.substr(best.size()), entry.tensor);
  }
  return result;
}

std::int64_t adopt_widths(Module& module, const StateDict& state) {
  std::vector<std::pair<std::string, std::shared_ptr<Module>>> layers;
  for (const NamedModule& entry : module.named_modules()) {
    if (auto layer = widened(*entry.module, state, entry.name)) layers.emplace_back(entry.name, std::move(layer));
  }
  for (const auto& [name, layer] : layers) module.set_module(name, layer);
  return static_cast<std::int64_t>(layers.size());
}

}  // namespace coppice::nn
