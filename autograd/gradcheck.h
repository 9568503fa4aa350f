#pragma once

#include <functional>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

struct GradcheckOptions {
  double step = 1e-5;            ///< half the width of the central difference, times max(1, |x|)
  double tolerance = 1e-6;       ///< allowed |analytic − numeric| / max(1, |numeric|)
  bool double_backward = false;  ///< check the gradient's gradient too
};

/// Compares back-propagated gradients with central differences of the sum of `function`'s outputs, each weighted by
/// fixed pseudo-random numbers. Every input that requires a gradient is checked; all floating inputs must be f64.
/// Throws `[gradcheck] …` naming input, element and both values where they differ.
COPPICE_API void gradcheck(const std::function<std::vector<Tensor>(const std::vector<Tensor>&)>& function,
                           const std::vector<Tensor>& inputs, GradcheckOptions options = {});

}  // namespace coppice
