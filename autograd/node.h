#pragma once

#include <array>
#include <functional>
#include <memory>
#include <span>
#include <utility>
#include <vector>

#include <coppice/core/tensor_impl.h>

namespace coppice {

class Node;

/// A graph node's reference; freeing the last one of a long chain does not recurse.
using NodePtr = IntrusivePtr<Node>;

/// Gradients of a node's inputs, in input order; an undefined tensor means zero.
using Gradients = std::vector<Tensor>;

/// Called with a gradient; a defined result replaces it.
using GradHook = std::function<Tensor(const Tensor&)>;

/// The history of one tensor: which node produced it, or, for a leaf, where its gradient accumulates; and what a
/// gradient of it must look like.
struct COPPICE_API GradMeta final : AutogradMeta {
  explicit GradMeta(const TensorImpl& tensor);

  NodePtr producer;      ///< null for a leaf
  int output_index = 0;  ///< which output of the producer
  bool requires_grad = false;
  DType dtype;
  Device device;
  Shape shape;
  std::shared_ptr<WeightState> weight_state;  ///< of a Masked tensor
  Tensor grad;                                ///< leaves only; never carries history
  std::uint64_t grad_mask_version = 0;        ///< mask_version() when a packed `grad` was first written
  std::vector<GradHook> hooks;                ///< leaves only; a node holds those of its outputs

  /// Whether `gradient` can be this tensor's: same dtype, device and shape; of a Masked tensor also one-dimensional,
  /// packed over trainable().
  bool accepts(const Tensor& gradient) const;
};

/// What a node keeps of a tensor for backward: elements, the versions they had, and, for an input, its history.
///
/// A node's own output is held without history, so that no cycle can arise, and gets it back when read. Reading throws
/// if the elements were overwritten or a mask changed since.
class COPPICE_API SavedTensor {
 public:
  SavedTensor() = default;
  /// `own_output` is the index of `tensor` among the saving node's outputs, or -1.
  SavedTensor(const Tensor& tensor, int own_output);
  Tensor unpack(Node& node) const;

 private:
  Tensor tensor_;
  std::uint64_t version_ = 0;  ///< of the storage; of a Masked tensor, its value_version
  std::uint64_t mask_version_ = 0;
  int own_output_ = -1;
};

/// Where a node's input gradient goes: another node's output, or a leaf.
struct Edge {
  IntrusivePtr<GradMeta> target;  ///< null when that input needs no gradient

  explicit operator bool() const { return static_cast<bool>(target); }
};

/// One recorded operation. Holds the metas of its inputs and what it saved, never its outputs.
///
/// A node is younger than the nodes of its inputs: `sequence()` orders any graph topologically.
class COPPICE_API Node : public RefCounted<Node>, public Pooled {
 public:
  explicit Node(const char* op);
  virtual ~Node();

  /// Gradients of the inputs from those of the outputs (undefined: zero).
  virtual Gradients apply(const std::vector<Tensor>& d_outputs) = 0;
  /// Frees what was saved; a later read of it throws.
  virtual void release_saved();
  /// Whether apply() is made of recorded operations.
  virtual bool twice_differentiable() const { return true; }

  const char* op() const { return op_; }
  /// Greater than that of every node made before; never 0.
  std::uint64_t sequence() const { return sequence_; }
  std::span<const Edge> edges() const {
    return {many_edges_ ? many_edges_.get() : few_edges_.data(), static_cast<std::size_t>(num_edges_)};
  }
  int num_outputs() const { return num_outputs_; }

  /// Whether input `index` needs a gradient.
  bool needs(int index) const { return static_cast<bool>(edges()[static_cast<std::size_t>(index)]); }
  /// Saved tensor `index`; throws as SavedTensor says, or when it was released.
  Tensor saved(int index);

  /// Says how many inputs there are; all need no gradient until set_input.
  void reserve_inputs(std::size_t count);
  /// Makes `tensor` (which may be undefined) the source of input `index`.
  void set_input(std::size_t index, const Tensor& tensor);
  void set_inputs(const Tensor* inputs, std::size_t count);
  void reserve_saved(std::size_t count) { saved_.reserve(count); }
  /// Keeps an input, or any tensor that is not an output of this node.
  void save(const Tensor& tensor) { saved_.emplace_back(tensor, -1); }
  /// Keeps what is, or will be, adopted as output `index`.
  void save_output(const Tensor& tensor, int index) { saved_.emplace_back(tensor, index); }
  /// Makes `output` the next output of this node. One of an integral dtype carries no history.
  void adopt_output(const Tensor& output);

  void add_hook(int output_index, GradHook hook);
  /// `gradient` of output `output_index` after its hooks, called in the order they were added.
  Tensor run_hooks(int output_index, Tensor gradient) const;
  bool has_hooks() const { return static_cast<bool>(hooks_); }

  /// Drops the last reference: nodes that die as a consequence are freed in a loop.
  void destroy() noexcept;

 private:
  static constexpr std::size_t kFewEdges = 3;

  const char* op_;
  std::uint64_t sequence_;
  Node* next_dead_ = nullptr;
  std::array<Edge, kFewEdges> few_edges_;
  std::unique_ptr<Edge[]> many_edges_;
  std::vector<SavedTensor> saved_;
  std::unique_ptr<std::vector<std::pair<int, GradHook>>> hooks_;
  int num_edges_ = 0;
  int num_outputs_ = 0;
  bool released_ = false;
};

/// The tensor's history, made when there is none.
COPPICE_API GradMeta& grad_meta(const Tensor& tensor);
/// The tensor's history, or null.
COPPICE_API GradMeta* find_grad_meta(const Tensor& tensor);

namespace detail {
/// Nodes made minus nodes freed by this thread: what a leak test compares.
COPPICE_API std::int64_t live_nodes();
/// `gradient` after `hook`; throws where the hook changed its shape or dtype.
Tensor run_hook(const GradHook& hook, Tensor gradient);
}  // namespace detail

}  // namespace coppice
