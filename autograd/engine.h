#pragma once

#include <vector>

#include <coppice/core/tensor.h>

namespace coppice {

struct BackwardOptions {
  bool retain_graph = false;  ///< keep what was saved, so that backward can run again
  bool create_graph = false;  ///< record backward itself (grad() only); implies retain_graph
};

/// Back-propagates `gradients` (empty: ones, for scalars) from `outputs` and adds to the grad() of every leaf reached.
/// Nodes run in reverse order of recording, so that sums of gradients have one order.
/// Throws when an output has no history, shapes differ, or what was saved has been freed or overwritten.
COPPICE_API void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients = {},
                          BackwardOptions options = {});

/// Gradients of `outputs` with respect to `inputs` (leaves or not), without touching any grad(). With create_graph the
/// results can be differentiated again. An input that was not reached gives an undefined tensor.
COPPICE_API std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                                     const std::vector<Tensor>& gradients = {}, BackwardOptions options = {});

}  // namespace coppice
