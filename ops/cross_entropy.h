#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// How losses per row become the result.
enum class Reduction : std::uint8_t { Mean, Sum, None };

struct CrossEntropyOptions {
  Reduction reduction = Reduction::Mean;
  double label_smoothing = 0.0;  ///< this share of the target is spread evenly over all classes; in [0, 1]
};

/// −log softmax(logits)[target] of each row of `logits` (n, c), f32 or f64; `target` (n) holds classes as int64.
/// Throws when a target lies outside [0, c). The mean over no rows is NaN.
/// Unlike PyTorch's there is neither a class weight nor an ignored class.
COPPICE_API Tensor cross_entropy(const Tensor& logits, const Tensor& target, CrossEntropyOptions options = {});

}  // namespace coppice
