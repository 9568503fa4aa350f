#pragma once

#include <functional>
#include <vector>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

/// A computation that can be repeated: tensors in, tensors out. Called again it must compute the same, so what it draws
/// at random must be set back.
using Segment = std::function<std::vector<Tensor>(const std::vector<Tensor>& inputs)>;

/// segment(inputs), without keeping what its backward needs: backward computes the segment a second time. Memory falls
/// to the inputs of the segment, for one more forward.
///
/// `captured` are the tensors that require a gradient and that the segment uses beside its inputs, its parameters; any
/// other's gradient would be lost. Inputs and captured tensors must be unchanged at backward. Cannot be differentiated
/// twice. nn::checkpoint does this for a module.
/// Source: Chen et al., arXiv:1604.06174.
COPPICE_API std::vector<Tensor> checkpoint(Segment segment, const std::vector<Tensor>& inputs,
                                           const std::vector<Tensor>& captured = {});

}  // namespace coppice
