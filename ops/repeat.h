#pragma once

#include <optional>

#include <coppice/core/tensor.h>

namespace coppice {

/// The tensor `repeats[d]` times along each dimension d; `repeats` may name more dimensions than the tensor has (new
/// ones in front), not fewer. Any dtype; differentiable any number of times, as the others here.
COPPICE_API Tensor repeat(const Tensor& input, const Dims& repeats);

/// As repeat, with missing entries of `dims` taken as 1.
COPPICE_API Tensor tile(const Tensor& input, const Dims& dims);

/// Each slice along `dim` `repeats` times in a row; without `dim` each element of the flattened tensor.
COPPICE_API Tensor repeat_interleave(const Tensor& input, std::int64_t repeats, std::optional<int> dim = {});

/// As above with the number of times for each slice: integers of shape (size of dim), at least 0.
COPPICE_API Tensor repeat_interleave(const Tensor& input, const Tensor& repeats, std::optional<int> dim = {});

}  // namespace coppice
