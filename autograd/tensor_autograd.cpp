#include <coppice/autograd/engine.h>
#include <coppice/autograd/grad_mode.h>
#include <coppice/autograd/node.h>
#include <coppice/core/weight_state.h>

namespace coppice {
namespace {

const GradMeta* meta_of(const Tensor& tensor) {
  return static_cast<const GradMeta*>(detail::require(tensor).autograd.get());
}

}  // namespace

bool Tensor::requires_grad() const {
  const GradMeta* meta = meta_of(*this);
  return meta && meta->requires_grad;
}

Tensor& Tensor::requires_grad_(bool value) {
  if (!is_leaf()) {
    COPPICE_CHECK(value, "[requires_grad_] only a leaf can stop requiring a gradient; got a result ", shape(),
                  "; use detach()");
    return *this;
  }
  if (!value && !meta_of(*this)) return *this;
  COPPICE_CHECK(!value || is_floating(dtype()), "[requires_grad_] expects a floating dtype; got ", dtype(), " ",
                shape());
  grad_meta(*this).requires_grad = value;
  return *this;
}

bool Tensor::is_leaf() const {
  const GradMeta* meta = meta_of(*this);
  return !meta || !meta->producer;
}

Tensor Tensor::grad() const {
  const GradMeta* meta = meta_of(*this);
  return meta ? meta->grad : Tensor();
}

void Tensor::set_grad(const Tensor& grad) const {
  if (!grad.defined() && !meta_of(*this)) return;
  COPPICE_CHECK(is_leaf(), "[set_grad] only a leaf keeps a gradient; got a result ", shape());
  GradMeta& meta = grad_meta(*this);
  COPPICE_CHECK(!grad.defined() || meta.accepts(grad), "[set_grad] expects ", dtype(), " ", shape(), "; got ",
                grad.dtype(), " ", grad.shape());
  const bool has_history = grad.defined() && find_grad_meta(grad);
  meta.grad = has_history ? grad.detach() : grad;
  meta.grad_mask_version = meta.weight_state ? meta.weight_state->mask_version() : 0;
}

Tensor Tensor::detach() const { return detail::detached(*this); }

void Tensor::backward(const Tensor& gradient) const {
  if (gradient.defined()) {
    coppice::backward({*this}, {gradient});
  } else {
    coppice::backward({*this});
  }
}

void Tensor::register_hook(GradHook hook) const {
  COPPICE_CHECK(requires_grad(), "[register_hook] expects a tensor that requires a gradient; got ", shape(),
                "; call requires_grad_()");
  GradMeta& meta = grad_meta(*this);
  if (meta.producer) {
    meta.producer->add_hook(meta.output_index, std::move(hook));
  } else {
    meta.hooks.push_back(std::move(hook));
  }
}

void detail::check_writable(const Tensor& tensor, const char* op) {
  COPPICE_CHECK(!grad_enabled() || !tensor.requires_grad(), "[", op,
                "] writes in place on a tensor that requires a gradient; got ", tensor.shape(),
                "; use NoGrad, or an operation that makes a new tensor");
}

void detail::check_constant(const Tensor& source, const char* op) {
  COPPICE_CHECK(!grad_enabled() || !source.requires_grad(), "[", op,
                "] cannot record what an in-place write reads; got a source ", source.shape(),
                " that requires a gradient; use NoGrad, detach(), or an operation that makes a new tensor");
}

}  // namespace coppice
