#pragma once

#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// Elements in reverse order along each of `dims`. Any dtype; differentiable any number of times, as the others here.
COPPICE_API Tensor flip(const Tensor& input, const Dims& dims);

/// Elements moved by shifts[i] along dims[i], those that leave at the end entering at the start. Without `dims` the
/// flattened tensor is rolled by the single shift.
COPPICE_API Tensor roll(const Tensor& input, const std::vector<std::int64_t>& shifts, const Dims& dims = {});

}  // namespace coppice
