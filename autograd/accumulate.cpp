#include <coppice/autograd/accumulate.h>

#include <array>
#include <mutex>

#include <coppice/autograd/record.h>
#include <coppice/core/weight_state.h>

namespace coppice::detail {
namespace {

/// Whether writing `tensor` is invisible to everyone but its only holder.
bool is_private(const Tensor& tensor) {
  const TensorImpl& impl = *tensor.impl();
  return (impl.contiguous || is_blocked(tensor)) && !impl.autograd && impl.use_count() == 1 &&
         impl.storage->use_count() == 1;
}

/// A contiguous copy.
Tensor copy_of(const Tensor& tensor) {
  Tensor copy = Tensor::empty(tensor.shape(), {.dtype = tensor.dtype(), .device = tensor.device()});
  copy_into(copy, tensor);
  return copy;
}

/// A copy in the tensor's memory format.
Tensor like_copy_of(const Tensor& tensor) {
  if (!is_blocked(tensor)) return copy_of(tensor);
  const Tensor copy = empty_blocked(tensor.shape(), tensor.dtype());
  copy_into(copy, tensor);
  return copy;
}

/// Few locks for many leaves: two leaves that share one only wait for each other.
std::mutex& lock_of(const GradMeta& leaf) {
  static std::array<std::mutex, 16> locks;
  return locks[(reinterpret_cast<std::uintptr_t>(&leaf) / sizeof(GradMeta)) % locks.size()];
}

}  // namespace

Tensor accumulate(Tensor sum, Tensor gradient, bool differentiable) {
  COPPICE_CHECK(sum.shape() == gradient.shape(), "[backward] gradients of one Masked weight have two kinds; got ",
                sum.shape(), " and ", gradient.shape());
  // A gradient that is blocked belongs to a tensor that is: the sum had better be, too.
  if (is_blocked(gradient) && !is_blocked(sum)) std::swap(sum, gradient);
  if (differentiable) {
    Tensor total = like_copy_of(sum);
    add_into(total, gradient, 1.0);
    return record("accumulate", std::move(total), {sum, gradient}, {}, [](const Saved&, const Tensor& d_total) {
      return Gradients{d_total, d_total};
    });
  }
  if (!is_private(sum) && is_private(gradient) && is_blocked(sum) == is_blocked(gradient)) std::swap(sum, gradient);
  if (!is_private(sum)) sum = like_copy_of(sum);
  add_into(sum, gradient, 1.0);
  return sum;
}

void accumulate_leaf(GradMeta& leaf, Tensor gradient) {
  const std::lock_guard lock(lock_of(leaf));
  const std::uint64_t mask_version = leaf.weight_state ? leaf.weight_state->mask_version() : 0;
  if (!leaf.grad.defined()) {
    leaf.grad = is_private(gradient) && gradient.is_contiguous() ? std::move(gradient) : copy_of(gradient);
    leaf.grad_mask_version = mask_version;
    return;
  }
  COPPICE_CHECK(leaf.grad.shape() == gradient.shape(), "[backward] cannot add a gradient of shape ", gradient.shape(),
                " to the ", leaf.grad.shape(), " one a Masked weight ", leaf.shape, " has; zero its grad first");
  COPPICE_CHECK(leaf.grad.shape() == leaf.shape || leaf.grad_mask_version == mask_version,
                "[backward] the mask of a weight ", leaf.shape,
                " changed since its packed grad was accumulated; got mask version ", mask_version, " for ",
                leaf.grad_mask_version, "; zero its grad first");
  if (leaf.grad.is_contiguous()) {
    add_into(leaf.grad, gradient, 1.0);
  } else {
    leaf.grad = accumulate(copy_of(leaf.grad), std::move(gradient), false);
  }
}

}  // namespace coppice::detail
