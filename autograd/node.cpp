#include <coppice/autograd/node.h>

#include <atomic>

#include <coppice/autograd/grad_mode.h>
#include <coppice/core/weight_state.h>

namespace coppice {
namespace {

std::atomic<std::uint64_t> last_sequence{0};

thread_local std::int64_t node_balance = 0;

// Dead nodes of this thread that wait for the one being freed; linked through next_dead_, so that freeing cannot fail.
thread_local Node* dead = nullptr;
thread_local bool freeing = false;

}  // namespace

GradMeta::GradMeta(const TensorImpl& tensor)
    : dtype(tensor.dtype), device(tensor.device), shape(tensor.shape), weight_state(tensor.weight_state) {}

bool GradMeta::accepts(const Tensor& gradient) const {
  if (gradient.dtype() != dtype || gradient.device() != device || gradient.layout() != Layout::Strided) return false;
  if (gradient.shape() == shape) return true;
  return weight_state && gradient.dim() == 1 && gradient.numel() == weight_state->trainable().count();
}

SavedTensor::SavedTensor(const Tensor& tensor, int own_output) : own_output_(own_output) {
  if (!tensor.defined()) return;
  tensor_ = own_output >= 0 ? detail::detached(tensor) : tensor;
  const TensorImpl& impl = *tensor.impl();
  if (impl.weight_state) {
    version_ = impl.weight_state->value_version();
    mask_version_ = impl.weight_state->mask_version();
  } else {
    version_ = impl.storage->version();
  }
}

Tensor SavedTensor::unpack(Node& node) const {
  if (!tensor_.defined()) return {};
  const TensorImpl& impl = *tensor_.impl();
  if (impl.weight_state) {
    COPPICE_CHECK(impl.weight_state->mask_version() == mask_version_, "[", node.op(),
                  "] the mask changed between forward and backward; weight ", impl.shape, " had mask version ",
                  mask_version_, " and has ", impl.weight_state->mask_version(),
                  "; change masks after backward or before forward");
  }
  const std::uint64_t version = impl.weight_state ? impl.weight_state->value_version() : impl.storage->version();
  COPPICE_CHECK(version == version_, "[", node.op(), "] a tensor needed for backward was modified in place; ",
                impl.dtype, " ", impl.shape, " had version ", version_, " and has ", version,
                "; clone it before the write");
  if (own_output_ < 0 || !grad_enabled()) return tensor_;
  Tensor output = detail::detached(tensor_);
  GradMeta& meta = grad_meta(output);
  meta.requires_grad = true;
  meta.producer = NodePtr(&node);
  meta.output_index = own_output_;
  return output;
}

Node::Node(const char* op) : op_(op), sequence_(last_sequence.fetch_add(1, std::memory_order_relaxed) + 1) {
  ++node_balance;
}

Node::~Node() { --node_balance; }

void Node::release_saved() {
  if (saved_.empty()) return;
  saved_.clear();
  released_ = true;
}

Tensor Node::saved(int index) {
  COPPICE_CHECK(!released_, "[", op_, "] backward a second time: pass retain_graph the first time");
  COPPICE_CHECK(index >= 0 && static_cast<std::size_t>(index) < saved_.size(), "[", op_, "] reads saved tensor ", index,
                "; ", saved_.size(), " were saved");
  return saved_[static_cast<std::size_t>(index)].unpack(*this);
}

void Node::reserve_inputs(std::size_t count) {
  num_edges_ = static_cast<int>(count);
  if (count > kFewEdges) many_edges_ = std::make_unique<Edge[]>(count);
}

void Node::set_input(std::size_t index, const Tensor& tensor) {
  if (!tensor.defined()) return;
  GradMeta* meta = find_grad_meta(tensor);
  if (!meta || !meta->requires_grad) return;
  (many_edges_ ? many_edges_[index] : few_edges_[index]).target = IntrusivePtr<GradMeta>(meta);
}

void Node::set_inputs(const Tensor* inputs, std::size_t count) {
  reserve_inputs(count);
  for (std::size_t i = 0; i < count; ++i) set_input(i, inputs[i]);
}

void Node::adopt_output(const Tensor& output) {
  const int index = num_outputs_++;
  if (!is_floating(output.dtype())) return;
  GradMeta& meta = grad_meta(output);
  COPPICE_CHECK(!meta.requires_grad, "[", op_, "] output ", index,
                " already has a history; return a new tensor or a detached one");
  meta.requires_grad = true;
  meta.producer = NodePtr(this);
  meta.output_index = index;
}

void Node::add_hook(int output_index, GradHook hook) {
  if (!hooks_) hooks_ = std::make_unique<std::vector<std::pair<int, GradHook>>>();
  hooks_->emplace_back(output_index, std::move(hook));
}

Tensor Node::run_hooks(int output_index, Tensor gradient) const {
  for (std::size_t i = 0; i < hooks_->size(); ++i) {  // by index: a hook may add one
    if ((*hooks_)[i].first == output_index) gradient = detail::run_hook((*hooks_)[i].second, std::move(gradient));
  }
  return gradient;
}

void Node::destroy() noexcept {
  if (freeing) {
    next_dead_ = dead;
    dead = this;
    return;
  }
  freeing = true;
  delete this;
  while (dead) {
    Node* node = dead;
    dead = node->next_dead_;
    delete node;
  }
  freeing = false;
}

GradMeta* find_grad_meta(const Tensor& tensor) {
  return static_cast<GradMeta*>(detail::require(tensor).autograd.get());
}

GradMeta& grad_meta(const Tensor& tensor) {
  TensorImpl& impl = detail::require(tensor);
  if (!impl.autograd) impl.autograd = make_intrusive<GradMeta>(impl);
  return static_cast<GradMeta&>(*impl.autograd);
}

namespace detail {

std::int64_t live_nodes() { return node_balance; }

Tensor run_hook(const GradHook& hook, Tensor gradient) {
  const GradHook held = hook;  // a hook may add hooks, which moves the stored one
  Tensor replaced = held(gradient);
  if (!replaced.defined()) return gradient;
  COPPICE_CHECK(replaced.shape() == gradient.shape() && replaced.dtype() == gradient.dtype(),
                "[register_hook] a hook must keep shape and dtype; got ", replaced.dtype(), " ", replaced.shape(),
                " for ", gradient.dtype(), " ", gradient.shape());
  return replaced;
}

}  // namespace detail
}  // namespace coppice
