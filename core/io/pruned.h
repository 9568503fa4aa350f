#pragma once

#include <cstdint>
#include <map>
#include <string>

#include <coppice/core/export.h>
#include <coppice/core/tensor.h>

namespace coppice {

struct PrunedOptions {
  /// Keep the values of pruned weights as dormant ones (core/weight_state.h); else they are dropped.
  bool keep_dormant = false;
};

/// Makes one Masked tensor `x` of every pair `x_orig`, `x_mask`, as torch.nn.utils.prune leaves them in a state dict,
/// and of every `x` with an `x_mask`: weight = orig ⊙ mask. All other tensors stay what they are.
///
/// A mask has any dtype, 0 or 1 in every element, and the shape of its weight; a weight is floating (f16 and bf16
/// become f32). Throws `[join_pruned] 'x_mask' expectation; got …`.
/// Source of the names: https://pytorch.org/docs/stable/generated/torch.nn.utils.prune.BasePruningMethod.html
COPPICE_API std::map<std::string, Tensor> join_pruned(std::map<std::string, Tensor> tensors,
                                                      PrunedOptions options = {});

/// How a Masked tensor `x` is written for other frameworks: its mask is always `x_mask`, of the weight's dtype.
///
/// - Pairs: `x_orig`, the values alive and dormant, 0 elsewhere; what torch.nn.utils.prune expects.
/// - Dense: `x`, the values alive, 0 elsewhere.
enum class PrunedView : std::uint8_t { Pairs, Dense };

/// Replaces every Masked tensor by its pair; join_pruned is the inverse. Throws where a name is taken.
COPPICE_API std::map<std::string, Tensor> split_pruned(const std::map<std::string, Tensor>& tensors,
                                                       PrunedView view = PrunedView::Pairs);

}  // namespace coppice
