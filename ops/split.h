#pragma once

#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// Views of neighbouring parts along `dim`, of `split_size` each; the last may be smaller. Differentiable any number of
/// times, with one gradient joined from those of all parts.
COPPICE_API std::vector<Tensor> split(const Tensor& input, std::int64_t split_size, int dim = 0);

/// As above, of the given sizes, which must sum to the dimension's.
COPPICE_API std::vector<Tensor> split(const Tensor& input, const std::vector<std::int64_t>& split_sizes, int dim = 0);

/// At most `chunks` views of ⌈size / chunks⌉ each; the last may be smaller.
COPPICE_API std::vector<Tensor> chunk(const Tensor& input, std::int64_t chunks, int dim = 0);

/// Views of all slices along `dim`, without that dimension.
COPPICE_API std::vector<Tensor> unbind(const Tensor& input, int dim = 0);

}  // namespace coppice
