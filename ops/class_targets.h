#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>
#include <coppice/ops/reduction.h>

// What losses over classes share: scores (n, c, d1 …) or (c) as rows of classes, and targets without the ignored.

namespace coppice {

/// Targets of rows, checked against the classes.
struct ClassTargets {
  Tensor index;   ///< (rows) int64, contiguous; 0 where ignored
  Tensor weight;  ///< (rows), of the scores' dtype: the class's weight, 0 where ignored; undefined where all are 1
  Tensor kept;    ///< (rows) bool, false where ignored; defined with `weight`
};

/// (n, d1 …) for scores (n, c, d1 …); {} for (c).
Shape shape_without_classes(const Shape& scores);

/// The scores as rows (n · d1 …, c), differentiable.
Tensor rows_of_classes(const Tensor& scores);

/// Checks `target` (n, d1 …), int64, and an optional class weight (c).
ClassTargets check_class_targets(const char* op, const Tensor& scores, const Tensor& target, const Tensor& weight,
                                 std::int64_t ignore_index);

/// Losses (rows) · weights, reduced; a mean divides by the sum of the weights. `shape` is that of the unreduced result.
Tensor reduce_class_losses(const Tensor& losses, const ClassTargets& targets, Reduction reduction, const Shape& shape);

}  // namespace coppice
