#pragma once

#include <memory>
#include <vector>

#include <coppice/autograd/record.h>

namespace coppice {

/// What a user-defined Function may use.
class FunctionContext {
 public:
  explicit FunctionContext(Node& node) : node_(node) {}
  /// In forward: keeps tensors (inputs or outputs) for backward.
  void save_for_backward(const std::vector<Tensor>& tensors) { to_save_ = tensors; }
  /// In backward: saved tensor `index`, checked to be unchanged.
  Tensor saved(int index) const { return node_.saved(index); }
  /// In backward: whether input `index` needs a gradient.
  bool needs_input_grad(int index) const { return node_.needs(index); }

  const std::vector<Tensor>& to_save() const { return to_save_; }

 private:
  Node& node_;
  std::vector<Tensor> to_save_;
};

namespace detail {

template <class F>
class FunctionNode final : public Node {
 public:
  explicit FunctionNode(F function) : Node("Function"), function_(std::move(function)) {}
  Gradients apply(const std::vector<Tensor>& d_outputs) override {
    FunctionContext context(*this);
    return function_.backward(context, d_outputs);
  }
  bool twice_differentiable() const override {
    return !requires { F::kOnceDifferentiable; };
  }
  F& function() { return function_; }

 private:
  F function_;
};

}  // namespace detail

/// Runs a user-defined differentiable function.
///
/// `F` has `std::vector<Tensor> forward(FunctionContext&, const std::vector<Tensor>& inputs)`, run without recording,
/// and `std::vector<Tensor> backward(FunctionContext&, const std::vector<Tensor>& d_outputs)`, one gradient per input
/// (undefined: zero; an undefined d_output likewise). Members of `function` may carry options from one to the other.
/// A backward made of recorded operations can be differentiated again; one that is not says so by a
/// `static constexpr bool kOnceDifferentiable = true` in F, and differentiating it throws.
template <class F>
std::vector<Tensor> apply_function(F function, const std::vector<Tensor>& inputs) {
  auto node = make_intrusive<detail::FunctionNode<F>>(std::move(function));
  FunctionContext context(*node);
  std::vector<Tensor> outputs;
  {
    NoGrad no_grad;
    outputs = node->function().forward(context, inputs);
  }
  if (!detail::needs_record(inputs.data(), inputs.size())) return outputs;
  node->set_inputs(inputs.data(), inputs.size());
  for (std::size_t i = 0; i < outputs.size(); ++i) {
    bool taken = outputs[i].impl()->autograd != nullptr;
    for (const Tensor& input : inputs) taken = taken || outputs[i].is_same(input);
    for (std::size_t j = 0; j < i; ++j) taken = taken || outputs[i].is_same(outputs[j]);
    if (taken) outputs[i] = outputs[i].detach();  // what has a history, or may get one elsewhere, cannot get this one
  }
  for (const Tensor& tensor : context.to_save()) {
    int own = -1;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (tensor.is_same(outputs[i])) own = static_cast<int>(i);
    }
    if (own >= 0) {
      node->save_output(tensor, own);
    } else {
      node->save(tensor);
    }
  }
  for (const Tensor& output : outputs) node->adopt_output(output);
  return outputs;
}

}  // namespace coppice
