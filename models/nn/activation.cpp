#include <coppice/models/nn/activation.h>

#include <coppice/ops/activation.h>

namespace coppice::nn {

Tensor ReLU::forward(const Tensor& input) { return relu(input); }

}  // namespace coppice::nn
