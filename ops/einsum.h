#pragma once

#include <string_view>
#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

/// Sums of products of one or two operands' elements, in PyTorch's notation: "bij,bjk->bik". Each letter a-z, A-Z names
/// a dimension; a letter in both operands pairs them, one twice in an operand takes the diagonal, and what the output
/// does not name is summed. "..." stands for the dimensions not named, aligned at their end. Sizes of one letter are
/// equal, or 1 in an operand, which then broadcasts. Without "->" the output is "..." and then the letters that occur
/// once, upper case first. Blanks are skipped.
///
/// Two operands are of one dtype, f32 or f64 where something is summed over both: that is one batched matmul.
/// Differentiable any number of times.
COPPICE_API Tensor einsum(std::string_view equation, const std::vector<Tensor>& operands);

}  // namespace coppice
