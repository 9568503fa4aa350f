#pragma once

#include <array>
#include <vector>

#include <coppice/ops/optim/optimizer.h>

namespace coppice::optim {

/// PyTorch's defaults.
struct AdamOptions {
  double lr = 1e-3;
  std::array<double, 2> betas = {0.9, 0.999};
  double eps = 1e-8;
  double weight_decay = 0.0;  ///< added to the gradient; AdamW decays the weight itself
};

/// Adam, as torch.optim.Adam; at a parameter's step t, with g = ∇ + weight_decay · w:
///
///     m ← m + (1 − β₁)(g − m);   v ← β₂ v + (1 − β₂) g²;   w ← w − lr / (1 − β₁ᵗ) · m / (√v / √(1 − β₂ᵗ) + eps)
///
/// States are "exp_avg" and "exp_avg_sq"; t as in AdamW. No `amsgrad`, no `maximize`.
/// Source: Kingma & Ba, ICLR 2015.
class COPPICE_API Adam : public Optimizer {
 public:
  explicit Adam(std::vector<Tensor> params, AdamOptions options = {});
  explicit Adam(std::vector<ParamGroup> groups, AdamOptions options = {});
  const AdamOptions& options() const { return options_; }

 protected:
  void update(ParamUpdate& parameter) override;

 private:
  AdamOptions options_;
};

}  // namespace coppice::optim
