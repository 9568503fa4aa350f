#pragma once

#include <vector>

#include <coppice/ops/optim/optimizer.h>

namespace coppice::optim {

/// PyTorch's defaults.
struct SgdOptions {
  double lr = 1e-3;
  double momentum = 0.0;
  double dampening = 0.0;
  double weight_decay = 0.0;
  bool nesterov = false;
};

/// Stochastic gradient descent with momentum, as torch.optim.SGD:
///
///     d ← ∇ + weight_decay · w;   b ← momentum · b + (1 − dampening) · d   (b ← d at a parameter's first step)
///     w ← w − lr · b,  with Nesterov  w ← w − lr · (d + momentum · b)
///
/// Without momentum, w ← w − lr · d. The state is "momentum_buffer"; a newborn weight of a Masked parameter starts it
/// from 0, with the dampening of the rest. No `maximize`.
class COPPICE_API SGD : public Optimizer {
 public:
  explicit SGD(std::vector<Tensor> params, SgdOptions options = {});
  explicit SGD(std::vector<ParamGroup> groups, SgdOptions options = {});
  const SgdOptions& options() const { return options_; }

 protected:
  void update(ParamUpdate& parameter) override;

 private:
  SgdOptions options_;
};

}  // namespace coppice::optim
