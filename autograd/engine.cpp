#include <coppice/autograd/engine.h>

#include <algorithm>

#include <coppice/autograd/accumulate.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/pointer_map.h>
#include <coppice/autograd/selection.h>

// Nodes run youngest first. A node is younger than the nodes of its inputs, so when one is the youngest of those that
// have received a gradient, everything that could still send it one has run: no pass that counts dependencies is
// needed, and sums have one order. Only the frontier, the nodes that have received a gradient and not yet run, takes
// memory.

namespace coppice {
namespace {

class Run {
 public:
  Run(BackwardOptions options, detail::Selection* selection)
      : create_graph_(options.create_graph),
        keep_saved_(options.retain_graph || options.create_graph),
        selection_(selection) {}

  /// Hands `gradient` to the node or leaf behind `target`.
  void send(GradMeta& target, Tensor gradient);
  /// Runs everything that has received a gradient, and what that leads to.
  void run();

 private:
  /// A node, or a leaf whose gradient is captured or hooked, that waits for its turn; and its gradients so far.
  struct Waiting {
    Node* node = nullptr;
    GradMeta* leaf = nullptr;
    std::vector<Tensor> gradients;
  };
  struct Turn {
    std::uint64_t sequence;  // 0 for leaves: they come last
    std::uint64_t arrival;
    std::uint32_t slot;

    /// Order of a max-heap: the youngest node first, leaves in order of arrival.
    friend bool operator<(const Turn& a, const Turn& b) {
      return a.sequence != b.sequence ? a.sequence < b.sequence : a.arrival > b.arrival;
    }
  };

  Waiting& waiting_for(GradMeta& target);
  void run_node(Node& node, std::vector<Tensor>& d_outputs);
  void finish_leaf(GradMeta& leaf, Tensor gradient);

  bool create_graph_;
  bool keep_saved_;
  detail::Selection* selection_;
  detail::PointerMap slots_;
  std::vector<Waiting> waiting_;
  std::vector<std::uint32_t> free_;
  std::vector<Turn> turns_;
  std::uint64_t arrivals_ = 0;
};

Run::Waiting& Run::waiting_for(GradMeta& target) {
  Node* node = target.producer.get();
  const void* key = node ? static_cast<const void*>(node) : &target;
  std::uint32_t slot = slots_.find(key);
  if (slot != detail::PointerMap::kAbsent) return waiting_[slot];
  if (free_.empty()) {
    slot = static_cast<std::uint32_t>(waiting_.size());
    waiting_.emplace_back();
  } else {
    slot = free_.back();
    free_.pop_back();
  }
  slots_.insert(key, slot);
  turns_.push_back({node ? node->sequence() : 0, arrivals_++, slot});
  std::push_heap(turns_.begin(), turns_.end());
  Waiting& entry = waiting_[slot];
  entry.node = node;
  entry.leaf = node ? nullptr : &target;
  entry.gradients.resize(node ? static_cast<std::size_t>(node->num_outputs()) : 1);
  return entry;
}

void Run::send(GradMeta& target, Tensor gradient) {
  if (selection_ && !selection_->takes(target)) return;
  if (!target.producer && !selection_ && target.hooks.empty()) {
    detail::accumulate_leaf(target, std::move(gradient));
    return;
  }
  const int index = target.producer ? target.output_index : 0;
  Tensor& sum = waiting_for(target).gradients[static_cast<std::size_t>(index)];
  sum = sum.defined() ? detail::accumulate(std::move(sum), std::move(gradient), create_graph_) : std::move(gradient);
}

void Run::run() {
  std::vector<Tensor> gradients;
  while (!turns_.empty()) {
    const std::uint32_t slot = turns_.front().slot;
    std::pop_heap(turns_.begin(), turns_.end());
    turns_.pop_back();
    Waiting& entry = waiting_[slot];
    Node* node = entry.node;
    GradMeta* leaf = entry.leaf;
    gradients.swap(entry.gradients);
    entry.gradients.clear();
    slots_.erase(node ? static_cast<const void*>(node) : leaf);
    free_.push_back(slot);
    if (node) {
      run_node(*node, gradients);
    } else {
      finish_leaf(*leaf, std::move(gradients[0]));
    }
    gradients.clear();
  }
}

void Run::run_node(Node& node, std::vector<Tensor>& d_outputs) {
  if (node.has_hooks() || selection_) {
    for (int i = 0; i < node.num_outputs(); ++i) {
      Tensor& d_output = d_outputs[static_cast<std::size_t>(i)];
      if (!d_output.defined()) continue;
      if (node.has_hooks()) d_output = node.run_hooks(i, std::move(d_output));
      if (selection_) selection_->capture(&node, i, d_output);
    }
  }
  if (selection_ && !selection_->runs(node)) return;
  COPPICE_CHECK(!create_graph_ || node.twice_differentiable(), "[", node.op(),
                "] has no double backward; call grad without create_graph");
  Gradients gradients = node.apply(d_outputs);
  d_outputs.clear();
  if (!keep_saved_) node.release_saved();
  const auto edges = node.edges();
  COPPICE_CHECK(gradients.size() == edges.size(), "[", node.op(), "] backward returns ", gradients.size(),
                " gradients for ", edges.size(), " inputs");
  for (std::size_t i = 0; i < edges.size(); ++i) {
    if (!edges[i] || !gradients[i].defined()) continue;
    GradMeta& target = *edges[i].target;
    COPPICE_CHECK(target.accepts(gradients[i]), "[", node.op(), "] backward returns a gradient ", gradients[i].dtype(),
                  " ", gradients[i].shape(), " for input ", i, ", which is ", target.dtype, " ", target.shape);
    send(target, std::move(gradients[i]));
  }
}

void Run::finish_leaf(GradMeta& leaf, Tensor gradient) {
  for (std::size_t i = 0; i < leaf.hooks.size(); ++i) gradient = detail::run_hook(leaf.hooks[i], std::move(gradient));
  if (selection_) {
    selection_->capture(&leaf, 0, gradient);
  } else {
    detail::accumulate_leaf(leaf, std::move(gradient));
  }
}

void back_propagate(const char* op, const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients,
                    BackwardOptions options, detail::Selection* selection) {
  COPPICE_CHECK(gradients.empty() || gradients.size() == outputs.size(), "[", op,
                "] expects a gradient per output; got ", gradients.size(), " for ", outputs.size());
  const GradMode mode(options.create_graph);
  Run run(options, selection);
  // A hook may drop the caller's tensors; their metas hold the graph.
  std::vector<IntrusivePtr<GradMeta>> roots;
  roots.reserve(outputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    const Tensor& output = outputs[i];
    COPPICE_CHECK(output.defined() && output.requires_grad(), "[", op, "] output ", i,
                  " does not require a gradient; it was computed without recording or from tensors that do not");
    roots.emplace_back(find_grad_meta(output));
    Tensor gradient = gradients.empty() ? Tensor() : gradients[i];
    if (!gradient.defined()) {
      COPPICE_CHECK(output.numel() == 1, "[", op, "] needs a gradient for an output of more than one element; got ",
                    output.shape());
      gradient = Tensor::ones(output.shape(), {.dtype = output.dtype(), .device = output.device()});
    }
    COPPICE_CHECK(roots.back()->accepts(gradient), "[", op, "] expects a gradient ", output.dtype(), " ",
                  output.shape(), " for output ", i, "; got ", gradient.dtype(), " ", gradient.shape());
    run.send(*roots.back(), std::move(gradient));
  }
  run.run();
}

}  // namespace

void backward(const std::vector<Tensor>& outputs, const std::vector<Tensor>& gradients, BackwardOptions options) {
  COPPICE_CHECK(!options.create_graph, "[backward] cannot record itself: a leaf's grad has no history; use grad()");
  back_propagate("backward", outputs, gradients, options, nullptr);
}

std::vector<Tensor> grad(const std::vector<Tensor>& outputs, const std::vector<Tensor>& inputs,
                         const std::vector<Tensor>& gradients, BackwardOptions options) {
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    COPPICE_CHECK(outputs[i].defined(), "[grad] output ", i, " is undefined");
  }
  detail::Selection selection(outputs, inputs);
  back_propagate("grad", outputs, gradients, options, &selection);
  return selection.take_results();
}

}  // namespace coppice
