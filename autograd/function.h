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
    Gradients gradients = function_.backward(context, d_outputs);
    COPPICE_CHECK(gradients.size() == edges().size(), "[Function] backward must return one gradient per input; got ",
                  gradients.size(), " for ", edges().size(), " inputs");
    return gradients;
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
  for (Tensor& output : outputs) {
    for (const Tensor& input : inputs) {
      if (output.is_same(input)) output = output.detach();  // an input returned as it is becomes a view of it
    }
  }
  for (const Tensor& tensor : context.to_save()) {
    bool own = false;
    for (const Tensor& output : outputs) own = own || tensor.is_same(output);
    node->save(tensor, own);
  }
  for (const Tensor& output : outputs) node->adopt_output(output);
  return outputs;
}

}  // namespace coppice
