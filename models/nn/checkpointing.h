#pragma once

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// module(input) without keeping what its backward needs: backward runs the module again (autograd/checkpoint.h). Batch
/// norms do not update their running statistics a second time. Hooks run both times.
COPPICE_API Tensor checkpoint(Module& module, const Tensor& input);

}  // namespace coppice::nn
