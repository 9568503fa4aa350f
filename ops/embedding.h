#pragma once

#include <cstdint>
#include <optional>

#include <coppice/core/tensor.h>

namespace coppice {

struct EmbeddingOptions {
  /// This row's gradient is 0; negative: counted from the end.
  std::optional<std::int64_t> padding_idx = {};
};

/// Rows of `weight` (count, size) named by `input` (int64 or int32, any shape; values in [0, count)): (input shape…,
/// size). Any dtype; differentiable any number of times; gradients of a row are added in the order of `input`.
COPPICE_API Tensor embedding(const Tensor& input, const Tensor& weight, EmbeddingOptions options = {});

/// (input shape…, classes) of int64: 1 at the class that `input` (int64 or int32) names, else 0. `num_classes` -1: one
/// more than the largest value.
COPPICE_API Tensor one_hot(const Tensor& input, std::int64_t num_classes = -1);

}  // namespace coppice
