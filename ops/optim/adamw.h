#pragma once

#include <array>
#include <vector>

#include <coppice/ops/optim/optimizer.h>

namespace coppice::optim {

/// PyTorch's defaults.
struct AdamWOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 1e-2;
};

/// Adam with decoupled weight decay, as torch.optim.AdamW; at a parameter's step t:
///
///     w ← w · (1 − lr · weight_decay);   m ← m + (1 − β₁)(∇ − m);   v ← β₂ v + (1 − β₂) ∇²
///     w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)
///
/// States are "exp_avg" and "exp_avg_sq". t counts per parameter, so a newborn weight of a Masked parameter starts
/// from zero moments at the age of the rest. No `amsgrad`, no `maximize`.
/// Source: Loshchilov & Hutter, ICLR 2019.
class COPPICE_API AdamW : public Optimizer {
 public:
  explicit AdamW(std::vector<Tensor> params, AdamWOptions options = {});
  explicit AdamW(std::vector<ParamGroup> groups, AdamWOptions options = {});
  const AdamWOptions& options() const { return options_; }

 protected:
  void update(ParamUpdate& parameter) override;

 private:
  AdamWOptions options_;
};

}  // namespace coppice::optim
