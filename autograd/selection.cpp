#include <coppice/autograd/selection.h>

#include <algorithm>

namespace coppice::detail {
namespace {

/// Every node that the outputs were made by, oldest first.
std::vector<const Node*> reachable(const std::vector<Tensor>& outputs) {
  std::vector<const Node*> nodes;
  std::unordered_set<const Node*> seen;
  const auto visit = [&](const GradMeta* meta) {
    if (meta && meta->producer && seen.insert(meta->producer.get()).second) nodes.push_back(meta->producer.get());
  };
  for (const Tensor& output : outputs) visit(find_grad_meta(output));
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    for (const Edge& edge : nodes[i]->edges()) visit(edge.target.get());
  }
  std::sort(nodes.begin(), nodes.end(), [](const Node* a, const Node* b) { return a->sequence() < b->sequence(); });
  return nodes;
}

}  // namespace

Selection::Selection(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs) : results_(inputs.size()) {
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    COPPICE_CHECK(inputs[i].defined() && inputs[i].requires_grad(), "[grad] input ", i,
                  " does not require a gradient; call requires_grad_() before it is used");
    const GradMeta& meta = grad_meta(inputs[i]);
    if (meta.producer) {
      wanted_[meta.producer.get()].emplace_back(meta.output_index, i);
    } else {
      wanted_[&meta].emplace_back(0, i);
    }
  }
  // Oldest first, so that the nodes a node leads to have been judged before it.
  for (const Node* node : reachable(outputs)) {
    const auto edges = node->edges();
    if (std::any_of(edges.begin(), edges.end(), [&](const Edge& edge) { return edge && takes(*edge.target); })) {
      running_.insert(node);
    }
  }
}

bool Selection::wants(const void* source, int output_index) const {
  const auto found = wanted_.find(source);
  if (found == wanted_.end()) return false;
  return std::any_of(found->second.begin(), found->second.end(),
                     [&](const auto& entry) { return entry.first == output_index; });
}

bool Selection::takes(const GradMeta& target) const {
  if (!target.producer) return wants(&target, 0);
  return running_.contains(target.producer.get()) || wants(target.producer.get(), target.output_index);
}

void Selection::capture(const void* source, int output_index, const Tensor& gradient) {
  const auto found = wanted_.find(source);
  if (found == wanted_.end()) return;
  for (const auto& [index, input] : found->second) {
    if (index == output_index) results_[input] = gradient;
  }
}

}  // namespace coppice::detail
