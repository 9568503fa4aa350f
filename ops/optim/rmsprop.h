#pragma once

#include <vector>

#include <coppice/ops/optim/optimizer.h>

namespace coppice::optim {

/// PyTorch's defaults.
struct RmsPropOptions {
  double lr = 1e-2;
  double alpha = 0.99;
  double eps = 1e-8;
  double weight_decay = 0.0;
  double momentum = 0.0;
  bool centered = false;  ///< divide by the deviation of the gradient instead of its size
};

/// RMSprop, as torch.optim.RMSprop, with g = ∇ + weight_decay · w:
///
///     v ← α v + (1 − α) g²;   centered: a ← a + (1 − α)(g − a), s = v − a², else s = v
///     d = g / (√s + eps);   momentum: b ← momentum · b + d, w ← w − lr · b, else w ← w − lr · d
///
/// States are "square_avg", and where used "grad_avg" and "momentum_buffer".
/// Source: Tieleman & Hinton, 2012; centered: Graves, arXiv:1308.0850.
class COPPICE_API RMSprop : public Optimizer {
 public:
  explicit RMSprop(std::vector<Tensor> params, RmsPropOptions options = {});
  explicit RMSprop(std::vector<ParamGroup> groups, RmsPropOptions options = {});
  const RmsPropOptions& options() const { return options_; }

 protected:
  void update(ParamUpdate& parameter) override;

 private:
  RmsPropOptions options_;
};

}  // namespace coppice::optim
