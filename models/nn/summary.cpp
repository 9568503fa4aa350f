#include <coppice/models/nn/summary.h>

#include <algorithm>
#include <array>
#include <iomanip>
#include <ostream>
#include <sstream>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/flops.h>

namespace coppice::nn {

namespace {

/// Evaluation mode and forward hooks on a network's leaves, undone at the end of the scope.
class Observation {
 public:
  Observation(Module& module, const Module::ForwardHook& hook) {
    for (const NamedModule& entry : module.named_modules()) {
      modes_.push_back({entry.module, entry.module->is_training()});
      if (entry.module->children().empty()) hooks_.push_back({entry.module, entry.module->add_forward_hook(hook)});
    }
    module.eval();
  }
  ~Observation() {
    for (const auto& [module, id] : hooks_) module->remove_forward_hook(id);
    for (const auto& [module, training] : modes_)
      module->train(training);  // parents first: children have the last word
  }
  Observation(const Observation&) = delete;
  Observation& operator=(const Observation&) = delete;

 private:
  std::vector<std::pair<Module*, bool>> modes_;
  std::vector<std::pair<Module*, int>> hooks_;
};

/// 287290 → `287,290`
std::string grouped(double count) {
  std::ostringstream digits;
  digits << std::fixed << std::setprecision(0) << count;
  std::string text = digits.str();
  for (auto at = static_cast<std::ptrdiff_t>(text.size()) - 3; at > 0; at -= 3) {
    text.insert(static_cast<std::size_t>(at), 1, ',');
  }
  return text;
}

std::string shape_text(const Shape& shape) {
  std::ostringstream text;
  text << shape;
  return text.str();
}

}  // namespace

Summary summary(Module& module, const Shape& input_shape) {
  Summary result{.input_shape = input_shape, .layers = {}, .total = {}};
  std::vector<NamedModule> modules = module.named_modules();
  const NoGrad no_grad;
  FlopScope scope;
  const auto observe = [&](Module& layer, const Tensor&, const Tensor& output) {
    const auto named =
        std::find_if(modules.begin(), modules.end(), [&](const NamedModule& m) { return m.module == &layer; });
    result.layers.push_back({.name = named->name,
                             .description = layer.description(),
                             .output_shape = output.shape(),
                             .parameters = layer.parameter_count(),
                             .alive_parameters = layer.parameter_count(true),
                             .dense_macs = scope.count().dense[0] / 2,
                             .effective_macs = scope.count().effective[0] / 2});
    result.total.dense_macs += scope.count().dense[0] / 2;
    result.total.effective_macs += scope.count().effective[0] / 2;
    scope.reset();
  };
  const std::vector<Tensor> parameters = module.parameters();
  const Tensor input = Tensor::zeros(input_shape, {.dtype = parameters.empty() ? kFloat32 : parameters[0].dtype()});
  {
    const Observation observation(module, observe);
    result.total.output_shape = module(input).shape();
  }
  result.total.dense_macs += scope.count().dense[0] / 2;  // of work between layers
  result.total.effective_macs += scope.count().effective[0] / 2;
  result.total.description = module.description();
  result.total.parameters = module.parameter_count();
  result.total.alive_parameters = module.parameter_count(true);
  return result;
}

std::ostream& operator<<(std::ostream& out, const Summary& summary) {
  using Row = std::array<std::string, 7>;
  const auto row_of = [](const LayerSummary& layer) {
    return Row{layer.name,
               layer.description,
               shape_text(layer.output_shape),
               grouped(static_cast<double>(layer.parameters)),
               grouped(static_cast<double>(layer.alive_parameters)),
               grouped(layer.dense_macs),
               grouped(layer.effective_macs)};
  };
  std::vector<Row> rows{{"layer", "", "output", "parameters", "alive", "MACs dense", "MACs effective"}};
  for (const LayerSummary& layer : summary.layers) rows.push_back(row_of(layer));
  rows.push_back(row_of(summary.total));
  rows.back()[0] = "total";

  std::array<std::size_t, 7> width{};
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) width[i] = std::max(width[i], row[i].size());
  }
  for (const Row& row : rows) {
    for (std::size_t i = 0; i < row.size(); ++i) {
      out << (i == 0 ? "" : "  ") << (i < 3 ? std::left : std::right) << std::setw(static_cast<int>(width[i]))
          << row[i];
    }
    out << std::left << '\n';
  }
  return out << "input " << summary.input_shape << "; FLOPs of one forward: " << grouped(2 * summary.total.dense_macs)
             << " dense, " << grouped(2 * summary.total.effective_macs) << " effective\n";
}

}  // namespace coppice::nn
