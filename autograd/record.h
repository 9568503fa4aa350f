#pragma once

#include <initializer_list>
#include <type_traits>
#include <utility>

#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/node.h>

namespace coppice {

/// What a backward function may look at.
class Saved {
 public:
  explicit Saved(Node& node) : node_(node) {}
  /// Saved tensor `index`, checked to be unchanged since it was saved.
  Tensor operator[](int index) const { return node_.saved(index); }
  /// Whether input `index` needs a gradient: skip the work otherwise and leave it undefined.
  bool needs(int index) const { return node_.needs(index); }

 private:
  Node& node_;
};

/// A tensor in a braced list, referred to without touching its reference count; valid for the full expression.
class TensorRef {
 public:
  TensorRef(const Tensor& tensor) : tensor_(&tensor) {}
  const Tensor& get() const { return *tensor_; }
  operator const Tensor&() const { return *tensor_; }

 private:
  const Tensor* tensor_;
};

namespace detail {

/// Whether `tensor` is defined and requires a gradient.
inline bool has_grad(const Tensor& tensor) {
  if (!tensor.defined() || !tensor.impl()->autograd) return false;
  return static_cast<const GradMeta&>(*tensor.impl()->autograd).requires_grad;
}

/// Whether an operation on these inputs must be recorded.
inline bool needs_record(const Tensor* inputs, std::size_t count) {
  for (std::size_t i = 0; i < count; ++i) {
    if (has_grad(inputs[i])) return grad_enabled();
  }
  return false;
}
inline bool needs_record(std::initializer_list<TensorRef> inputs) {
  for (const TensorRef& input : inputs) {
    if (has_grad(input.get())) return grad_enabled();
  }
  return false;
}

template <class Backward, bool kTwice>
class OpNode final : public Node {
 public:
  OpNode(const char* op, Backward backward) : Node(op), backward_(std::move(backward)) {}

  Gradients apply(const std::vector<Tensor>& d_outputs) override {
    using Result = std::invoke_result_t<Backward&, const Saved&, const Tensor&>;
    if constexpr (std::is_same_v<Result, Tensor>) {
      Gradients gradients(1);
      gradients[0] = backward_(Saved(*this), d_outputs[0]);
      return gradients;
    } else {
      return backward_(Saved(*this), d_outputs[0]);
    }
  }
  bool twice_differentiable() const override { return kTwice; }

 private:
  Backward backward_;
};

template <bool kTwice, class Backward>
Tensor record_as(const char* op, Tensor output, std::initializer_list<TensorRef> inputs,
                 std::initializer_list<TensorRef> saves, Backward&& backward) {
  if (!needs_record(inputs)) return output;
  const auto node = make_intrusive<OpNode<std::decay_t<Backward>, kTwice>>(op, std::forward<Backward>(backward));
  node->reserve_inputs(inputs.size());
  std::size_t index = 0;
  for (const TensorRef& input : inputs) node->set_input(index++, input.get());
  node->reserve_saved(saves.size());
  for (const TensorRef& tensor : saves) {
    if (tensor.get().is_same(output)) {
      node->save_output(tensor.get(), 0);
    } else {
      node->save(tensor.get());
    }
  }
  node->adopt_output(output);
  return output;
}

}  // namespace detail

/// Records one operation and returns `output`, now with history if any input requires a gradient.
///
/// `backward(const Saved&, const Tensor& d_output)` returns the gradient of the only input (Tensor) or of all
/// (Gradients, in the order of `inputs`). It must be written with recorded operations, so that it can itself be
/// differentiated. `saves` are what it reads as saved[0], saved[1] …; list `output` itself where the output is needed.
/// `output` must be a new tensor, `backward` must not capture tensors: what it captures is neither checked nor freed.
template <class Backward>
Tensor record(const char* op, Tensor output, std::initializer_list<TensorRef> inputs,
              std::initializer_list<TensorRef> saves, Backward&& backward) {
  return detail::record_as<true>(op, std::move(output), inputs, saves, std::forward<Backward>(backward));
}

/// As record, for a backward that runs raw kernels: differentiating it again throws `[op] has no double backward`.
template <class Backward>
Tensor record_once(const char* op, Tensor output, std::initializer_list<TensorRef> inputs,
                   std::initializer_list<TensorRef> saves, Backward&& backward) {
  return detail::record_as<false>(op, std::move(output), inputs, saves, std::forward<Backward>(backward));
}

}  // namespace coppice
