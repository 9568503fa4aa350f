#include <coppice/models/nn/checkpointing.h>

#include <optional>
#include <vector>

#include <coppice/autograd/checkpoint.h>
#include <coppice/models/nn/batch_norm.h>

namespace coppice::nn {

Tensor checkpoint(Module& module, const Tensor& input) {
  const auto segment = [&module, repeated = false](const std::vector<Tensor>& inputs) mutable -> std::vector<Tensor> {
    std::optional<BatchNormGuard> held;
    if (repeated) held.emplace(module, BatchNormRunning::Hold);
    repeated = true;
    return {module(inputs[0])};
  };
  return coppice::checkpoint(segment, {input}, module.parameters())[0];
}

}  // namespace coppice::nn
