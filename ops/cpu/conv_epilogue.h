#pragma once

namespace coppice::cpu {

/// What is done to each output as it is finished: + bias[output channel], + residual (as output), then ReLU (NaN
/// stays).
template <class T>
struct ConvEpilogue {
  const T* bias = nullptr;
  const T* residual = nullptr;
  bool relu = false;
};

}  // namespace coppice::cpu
