#pragma once

#include <cstdint>

#include <coppice/core/tensor.h>

namespace coppice {

/// Values and where they stood along the dimension (int64).
struct Ordered {
  Tensor values;
  Tensor indices;
};

/// The elements along `dim` in ascending or descending order. Always stable: of equal elements the earlier comes first.
/// NaN counts as greater than any number, −0 as equal to 0. The values are differentiable any number of times.
COPPICE_API Ordered sort(const Tensor& input, int dim = -1, bool descending = false);

/// The indices of sort.
COPPICE_API Tensor argsort(const Tensor& input, int dim = -1, bool descending = false);

/// The `k` largest (smallest) elements along `dim`, in that order; ties and NaN as in sort.
COPPICE_API Ordered topk(const Tensor& input, std::int64_t k, int dim = -1, bool largest = true);

/// For each value the number of elements of the ascending `sorted_sequence` (…, size) that are below it, or with
/// `right` not above it: where it would be inserted. `values` is (…, count) with the same leading sizes, or of any
/// shape for a sequence of one dimension; int64. NaN counts as greatest. The order of the sequence is not checked.
COPPICE_API Tensor searchsorted(const Tensor& sorted_sequence, const Tensor& values, bool right = false);

}  // namespace coppice
