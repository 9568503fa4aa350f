#pragma once

#include <functional>
#include <initializer_list>
#include <vector>

#include <coppice/core/tensor_impl.h>

namespace coppice {

class Node;

/// A graph node's reference; freeing the last one of a long chain does not recurse.
using NodePtr = IntrusivePtr<Node>;

/// Gradients of a node's inputs, in input order; an undefined tensor means zero.
using Gradients = std::vector<Tensor>;

/// The history of one tensor: which node produced it, or, for a leaf, where its gradient accumulates.
struct COPPICE_API GradMeta : AutogradMeta {
  NodePtr producer;      ///< null for a leaf
  int output_index = 0;  ///< which output of the producer
  bool requires_grad = false;
  Tensor grad;  ///< leaves only; never carries history
  std::vector<std::function<Tensor(const Tensor&)>> hooks;
};

/// What a node keeps of a tensor for backward: elements, the versions they had, and, for an input, its history.
///
/// A node's own output is held without history, so that no cycle can arise, and gets it back when read. Reading throws
/// if the elements were overwritten or a mask changed since.
class COPPICE_API SavedTensor {
 public:
  SavedTensor() = default;
  /// `own_output` says that `tensor` is an output of the node that saves it.
  SavedTensor(const Tensor& tensor, bool own_output);
  Tensor unpack(Node& node, const char* op) const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;
  std::uint64_t mask_version_ = 0;
  bool own_output_ = false;
};

/// Where a node's input gradient goes: another node's output, or a leaf.
struct Edge {
  IntrusivePtr<GradMeta> target;  ///< null when that input needs no gradient

  explicit operator bool() const { return static_cast<bool>(target); }
};

/// One recorded operation. Holds the metas of its inputs and what it saved, never its outputs.
class COPPICE_API Node : public RefCounted<Node> {
 public:
  explicit Node(const char* op) : op_(op) {}
  virtual ~Node() = default;

  /// Gradients of the inputs from those of the outputs (undefined: zero).
  virtual Gradients apply(const std::vector<Tensor>& d_outputs) = 0;
  /// Frees what was saved; a later backward through this node throws.
  virtual void release_saved() {
    saved_.clear();
    released_ = true;
  }
  virtual bool twice_differentiable() const { return true; }

  const char* op() const { return op_; }
  std::uint64_t sequence() const { return sequence_; }
  const std::vector<Edge>& edges() const { return edges_; }
  int num_outputs() const { return num_outputs_; }

  /// Whether input `index` needs a gradient.
  bool needs(int index) const { return static_cast<bool>(edges_[static_cast<std::size_t>(index)]); }
  /// Saved tensor `index`; throws as SavedTensor says, or when it was released.
  Tensor saved(int index);

  void set_inputs(std::initializer_list<Tensor> inputs) { set_inputs(inputs.begin(), inputs.size()); }
  void set_inputs(const Tensor* inputs, std::size_t count);
  void save(const Tensor& tensor, bool own_output) { saved_.emplace_back(tensor, own_output); }
  /// Makes `output` the next output of this node.
  void adopt_output(const Tensor& output);

  /// Drops the last reference: nodes that die as a consequence are freed in a loop.
  void destroy() noexcept;

 private:
  const char* op_;
  std::uint64_t sequence_ = next_sequence();
  std::vector<Edge> edges_;
  std::vector<SavedTensor> saved_;
  int num_outputs_ = 0;
  bool released_ = false;

  static std::uint64_t next_sequence();
};

/// The tensor's history, made when there is none.
COPPICE_API GradMeta& grad_meta(const Tensor& tensor);
/// The tensor's history, or null.
COPPICE_API GradMeta* find_grad_meta(const Tensor& tensor);

}  // namespace coppice
