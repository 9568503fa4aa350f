#include <coppice/models/nn/fold.h>

#include <cmath>
#include <map>
#include <memory>
#include <set>
#include <typeinfo>
#include <utility>
#include <vector>

#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/node.h>
#include <coppice/core/mask.h>
#include <coppice/core/weight_state.h>
#include <coppice/models/nn/activation.h>
#include <coppice/models/nn/batch_norm.h>
#include <coppice/models/nn/conv2d.h>
#include <coppice/models/nn/evaluation.h>

namespace coppice::nn {

namespace {

/// Forward hooks that leave with it.
class Hooks {
 public:
  Hooks() = default;
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;
  ~Hooks() {
    for (const auto& [module, id] : added_) module->remove_forward_hook(id);
  }
  void add(Module& module, Module::ForwardHook hook) {
    added_.emplace_back(&module, module.add_forward_hook(std::move(hook)));
  }

 private:
  std::vector<std::pair<Module*, int>> added_;
};

struct Seen {
  std::string name;
  Tensor input{}, output{};
  int runs = 0;
};

/// How many operations read each tensor that `output` was made from.
std::map<const GradMeta*, int> count_readers(const Tensor& output) {
  std::map<const GradMeta*, int> readers;
  std::set<const Node*> visited;
  std::vector<const Node*> next;
  const auto visit = [&](const GradMeta* meta) {
    if (meta != nullptr && meta->producer && visited.insert(meta->producer.get()).second) {
      next.push_back(meta->producer.get());
    }
  };
  visit(find_grad_meta(output));
  while (!next.empty()) {
    const Node* node = next.back();
    next.pop_back();
    for (const Edge& edge : node->edges()) {
      if (!edge) continue;
      ++readers[edge.target.get()];
      visit(edge.target.get());
    }
  }
  return readers;
}

/// The convolution with the norm's scale and shift, f64 until they are stored.
std::shared_ptr<Conv2d> folded(const Conv2d& conv, const BatchNorm2d& norm) {
  const Tensor& weight = conv.weight();
  const Shape& shape = weight.shape();
  const Conv2dOptions& o = conv.options();
  const DType dtype = weight.dtype();
  auto values = weight.detach().to_dense().to_vector<double>();
  const auto mean = norm.running_mean().to_vector<double>(), variance = norm.running_var().to_vector<double>();
  std::vector<double> shift(mean.size());
  const auto at = [](const Tensor& tensor, double missing) {
    return [values = tensor.defined() ? tensor.to_vector<double>() : std::vector<double>(), missing](std::size_t i) {
      return values.empty() ? missing : values[i];
    };
  };
  const auto gamma = at(norm.weight(), 1.0), beta = at(norm.bias(), 0.0), bias = at(conv.bias(), 0.0);
  const std::size_t row = mean.empty() ? 0 : values.size() / mean.size();
  for (std::size_t m = 0; m < mean.size(); ++m) {
    const double scale = gamma(m) / std::sqrt(variance[m] + norm.options().eps);
    shift[m] = beta(m) + (bias(m) - mean[m]) * scale;
    for (std::size_t i = m * row; i < (m + 1) * row; ++i) values[i] *= scale;
  }
  auto result = std::make_shared<Conv2d>(shape[1] * o.groups, shape[0], std::array{shape[2], shape[3]},
                                         Conv2dLayerOptions{.stride = o.stride,
                                                            .padding = o.padding,
                                                            .dilation = o.dilation,
                                                            .groups = o.groups,
                                                            .bias = true,
                                                            .draw = false});
  result->to(dtype);
  const Tensor scaled = Tensor::of(values).to(dtype).reshape(shape);
  result->set_parameter("weight", weight.is_masked() ? Tensor::masked(scaled, weight.weight_state().alive()) : scaled);
  result->set_parameter("bias", Tensor::of(shift).to(dtype));
  for (const Tensor& parameter : result->parameters()) {
    Tensor handle = parameter;
    handle.requires_grad_(weight.requires_grad());
  }
  return result;
}

}  // namespace

std::int64_t fold_batch_norm(Module& model, const Shape& input) {
  check_evaluation(model, "fold_batch_norm");
  std::map<Module*, Seen> convs, norms;
  Tensor output;
  {
    Hooks hooks;
    for (const NamedModule& entry : model.named_modules()) {
      if (entry.name.empty() || entry.module->has_forward_hooks()) continue;
      const bool is_conv = typeid(*entry.module) == typeid(Conv2d);
      if (!is_conv && typeid(*entry.module) != typeid(BatchNorm2d)) continue;
      std::map<Module*, Seen>& layers = is_conv ? convs : norms;
      const auto [place, added] = layers.try_emplace(entry.module, Seen{.name = entry.name});
      if (!added) continue;
      hooks.add(*entry.module, [seen = &place->second](Module&, const Tensor& in, const Tensor& out) {
        seen->input = in;
        seen->output = out;
        ++seen->runs;
      });
    }
    const GradMode recording(true);
    Tensor zeros = Tensor::zeros(input, {.dtype = network_dtype(model)});
    zeros.requires_grad_();
    output = model(zeros);
  }
  const std::map<const GradMeta*, int> readers = count_readers(output);
  std::int64_t count = 0;
  for (auto& [norm_module, norm] : norms) {
    const auto& layer = static_cast<const BatchNorm2d&>(*norm_module);
    if (norm.runs != 1 || layer.mode().statistics != BatchNormStatistics::Running) continue;
    for (const auto& [conv_module, conv] : convs) {
      if (conv.runs != 1 || !conv.output.is_same(norm.input)) continue;
      const auto found = readers.find(find_grad_meta(conv.output));
      if (found == readers.end() || found->second != 1 || conv.output.is_same(output)) continue;
      model.set_module(conv.name, folded(static_cast<const Conv2d&>(*conv_module), layer));
      model.set_module(norm.name, std::make_shared<Identity>());
      ++count;
      break;
    }
  }
  return count;
}

Tensor conv_norm_relu(Module& conv, Module& norm, Module& relu, const Tensor& input, const Tensor& residual) {
  const bool plain = typeid(conv) == typeid(Conv2d) && typeid(norm) == typeid(Identity) &&
                     typeid(relu) == typeid(ReLU) && !conv.has_forward_hooks() && !norm.has_forward_hooks() &&
                     !relu.has_forward_hooks();
  if (!plain) return norm_relu(norm, relu, conv(input), residual);
  const auto& layer = static_cast<const Conv2d&>(conv);
  return conv2d_relu(input, layer.weight(), layer.bias(), layer.options(), residual);
}

}  // namespace coppice::nn
