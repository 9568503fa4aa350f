#include <coppice/models/nn/flatten.h>

namespace coppice::nn {

Tensor Flatten::forward(const Tensor& input) { return input.flatten(1); }

}  // namespace coppice::nn
