#pragma once

#include <unordered_map>
#include <unordered_set>
#include <utility>
#include <vector>

#include <coppice/autograd/node.h>

namespace coppice::detail {

/// What grad() asks for: the gradients of some tensors, hence only the nodes that lead to them.
class Selection {
 public:
  Selection(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs);

  /// Whether a gradient of `target` is asked for or leads to one.
  bool takes(const GradMeta& target) const;
  /// Whether the gradients of the node's inputs matter.
  bool runs(const Node& node) const { return running_.contains(&node); }
  /// Keeps the gradient of a leaf (index 0 of its meta) or of a node's output, where asked for.
  void capture(const void* source, int output_index, const Tensor& gradient);

  /// In the order of the inputs; undefined where none was reached.
  std::vector<Tensor> take_results() { return std::move(results_); }

 private:
  bool wants(const void* source, int output_index) const;

  std::unordered_map<const void*, std::vector<std::pair<int, std::size_t>>> wanted_;  // source → (output, input index)
  std::unordered_set<const Node*> running_;
  std::vector<Tensor> results_;
};

}  // namespace coppice::detail
