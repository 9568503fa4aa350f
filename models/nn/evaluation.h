#pragma once

#include <coppice/models/nn/module.h>

namespace coppice::nn {

/// Throws `[caller] …` unless every module is in evaluation mode.
void check_evaluation(Module& model, const char* caller);
/// The dtype of a network's first floating parameter; f32 without any.
DType network_dtype(const Module& model);

}  // namespace coppice::nn
