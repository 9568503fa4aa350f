#include <coppice/autograd/checkpoint.h>

#include <cstddef>
#include <utility>

#include <coppice/autograd/engine.h>
#include <coppice/autograd/function.h>

namespace coppice {

namespace {

struct Recomputed {
  Segment segment;
  std::size_t inputs = 0;  // of what is saved; the rest is captured
  std::size_t saved = 0;

  std::vector<Tensor> forward(FunctionContext& context, const std::vector<Tensor>& all) {
    context.save_for_backward(all);
    return segment({all.begin(), all.begin() + static_cast<std::ptrdiff_t>(inputs)});
  }

  std::vector<Tensor> backward(FunctionContext& context, const std::vector<Tensor>& d_outputs) {
    COPPICE_CHECK(!grad_enabled(), "[checkpoint] has no double backward; run the segment without it");
    const GradMode recording(true);
    std::vector<Tensor> again, wanted;
    std::vector<std::size_t> wanted_at;
    for (std::size_t i = 0; i < saved; ++i) {
      const bool needed = context.needs_input_grad(static_cast<int>(i));
      Tensor leaf = context.saved(static_cast<int>(i));
      if (i < inputs) {
        leaf = leaf.detach();
        if (needed) leaf.requires_grad_();
        again.push_back(leaf);
      }
      if (!needed) continue;
      wanted.push_back(leaf);
      wanted_at.push_back(i);
    }
    const std::vector<Tensor> outputs = segment(again);
    COPPICE_CHECK(outputs.size() == d_outputs.size(), "[checkpoint] expects a segment that gives ", d_outputs.size(),
                  " tensors again; got ", outputs.size());
    std::vector<Tensor> reached, d_reached;
    for (std::size_t i = 0; i < outputs.size(); ++i) {
      if (!d_outputs[i].defined() || !outputs[i].requires_grad()) continue;
      reached.push_back(outputs[i]);
      d_reached.push_back(d_outputs[i]);
    }
    std::vector<Tensor> gradients(saved);
    if (reached.empty()) return gradients;
    std::vector<Tensor> found = grad(reached, wanted, d_reached);
    for (std::size_t i = 0; i < wanted_at.size(); ++i) gradients[wanted_at[i]] = std::move(found[i]);
    return gradients;
  }
};

}  // namespace

std::vector<Tensor> checkpoint(Segment segment, const std::vector<Tensor>& inputs,
                               const std::vector<Tensor>& captured) {
  std::vector<Tensor> all = inputs;
  all.insert(all.end(), captured.begin(), captured.end());
  return apply_function(Recomputed{std::move(segment), inputs.size(), all.size()}, all);
}

}  // namespace coppice
