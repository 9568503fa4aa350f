#include <coppice/models/nn/prunable.h>

namespace coppice::nn {

std::vector<PrunableWeight> prunable(Module& module) {
  std::vector<PrunableWeight> weights;
  for (const NamedModule& entry : module.named_modules()) {
    for (const std::string& local : entry.module->prunable_parameters()) {
      weights.push_back({entry.name.empty() ? local : entry.name + "." + local, entry.module, local});
    }
  }
  return weights;
}

}  // namespace coppice::nn
