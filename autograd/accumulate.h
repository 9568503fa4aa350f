#pragma once

#include <coppice/autograd/node.h>

namespace coppice::detail {

/// `sum` + `gradient`, in the memory of one of them where nobody else can see it. With `differentiable`, a new tensor
/// with a history.
Tensor accumulate(Tensor sum, Tensor gradient, bool differentiable);

/// Adds `gradient` to a leaf's grad; the first is kept as it is if nobody else holds it, otherwise copied.
/// Threads may accumulate into one leaf at once.
void accumulate_leaf(GradMeta& leaf, Tensor gradient);

}  // namespace coppice::detail
