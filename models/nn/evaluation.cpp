#include <coppice/models/nn/evaluation.h>

namespace coppice::nn {

void check_evaluation(Module& model, const char* caller) {
  for (const NamedModule& entry : model.named_modules()) {
    const char* const quote = entry.name.empty() ? "" : "\"";
    COPPICE_CHECK(!entry.module->is_training(), '[', caller, "] expects a network in evaluation mode; got ",
                  entry.module->description(), entry.name.empty() ? "" : " ", quote, entry.name, quote,
                  " in training mode; call eval() first");
  }
}

DType network_dtype(const Module& model) {
  for (const NamedTensor& entry : model.named_parameters()) {
    if (is_floating(entry.tensor.dtype())) return entry.tensor.dtype();
  }
  return kFloat32;
}

}  // namespace coppice::nn
